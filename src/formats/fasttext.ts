import { GleanerError } from '../schema/index.ts';

/** A text classifier as fastText's `quantize` leaves it, unpacked. Rows of a matrix lie one after the other. */
export interface FastTextModel {
  /** Values in a row. */
  readonly dim: number;
  /** Shortest and longest parts of words that are looked at, in characters, the marks of a word's ends included. */
  readonly minn: number;
  readonly maxn: number;
  /** UTF-8 of all words with other things between them, and where each begins and ends. */
  readonly wordBytes: Uint8Array;
  readonly wordStarts: Uint32Array;
  readonly wordEnds: Uint32Array;
  readonly labels: readonly string[];
  /** How often each label stood in the training data, in descending order. */
  readonly labelCounts: Float64Array;
  /** A row for each word, then one for each part of words that was not pruned. */
  readonly input: Float32Array;
  /** The row of a part of words, by its hash modulo the length of this; 0 where the part was pruned. */
  readonly partRows: Uint16Array;
  /** A row for each inner node of the tree over the labels, which are one fewer than labels; the last is of no use. */
  readonly output: Float32Array;
}

const MAGIC = 793712314;
const VERSION = 12;
const HIERARCHICAL_SOFTMAX = 1;
const SUPERVISED = 3;
/** A code is a byte. */
const CENTROIDS = 256;

/** A row is parted into pieces of `width` values, each of which is one of its own `CENTROIDS`. */
interface Quantizer {
  readonly pieces: number;
  readonly width: number;
  readonly centroids: Float32Array;
}

/**
 * Reads a model file of fastText (`.ftz`) of the kind that its language identification is: supervised, hierarchical
 * softmax, single words with their parts, input quantized with norms and pruned. Other kinds are refused. The layout is
 * that of fastText 0.9, format version 12; numbers are little-endian.
 *
 * @param path for messages
 * @throws GleanerError DAMAGED
 */
export function parseFastText(bytes: Uint8Array, path: string): FastTextModel {
  try {
    return read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), path);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GleanerError('DAMAGED', { path, problem: 'is a fastText model that is cut' }, { cause: error });
  }
}

function read(file: Buffer, path: string): FastTextModel {
  let at = 0;
  const skip = (length: number) => {
    at += length;
    return at - length;
  };
  const int = () => file.readInt32LE(skip(4));
  const long = () => Number(file.readBigInt64LE(skip(8)));
  const flag = () => file.readUInt8(skip(1)) !== 0;
  const take = (length: number) => {
    if (length < 0 || at + length > file.length) throw new RangeError(`${length} bytes at ${at}`);
    return file.subarray(skip(length), at);
  };
  // Copied: numbers lie at odd places.
  const copy = (length: number) => new Uint8Array(take(length)).buffer;
  const expect = (ok: boolean, what: string) => {
    if (!ok) throw new GleanerError('DAMAGED', { path, problem: `is no fastText model with ${what}` });
  };

  expect(file.length >= 8 && int() === MAGIC && int() === VERSION, `format version ${VERSION}`);
  const dim = int();
  skip(4 * 4); // window, epochs, least count, negatives
  expect(int() === 1, 'single words');
  expect(int() === HIERARCHICAL_SOFTMAX && int() === SUPERVISED, 'labels in a tree');
  const buckets = int();
  const minn = int();
  const maxn = int();
  // For parts of one character fastText has a rule of its own.
  expect(buckets > 0 && minn > 1 && maxn >= minn, 'parts of words');
  skip(4 + 8); // rate of updates, threshold of sampling

  const entries = int();
  const words = int();
  const labelCount = int();
  skip(8); // tokens of the training data
  const parts = long();
  expect(entries === words + labelCount && labelCount > 1, 'words and labels');
  expect(parts >= 0, 'pruned parts');
  expect(words + parts <= 0x10000, '65,536 rows at most');
  const dictionary = at;
  const wordStarts = new Uint32Array(words);
  const wordEnds = new Uint32Array(words);
  for (let i = 0; i < words; i++) {
    wordStarts[i] = at - dictionary;
    at = file.indexOf(0, at);
    if (at < 0) throw new RangeError('a word has no end');
    wordEnds[i] = at - dictionary;
    skip(1 + 8 + 1); // its end, how often it stood in the training data, kind
  }
  const wordBytes = new Uint8Array(file.subarray(dictionary, at));
  const labels: string[] = [];
  const labelCounts = new Float64Array(labelCount);
  for (let i = 0; i < labelCount; i++) {
    labels.push(take(file.indexOf(0, at) - at).toString('utf8'));
    skip(1);
    labelCounts[i] = long();
    expect(flag(), 'words before labels');
  }
  const partRows = new Uint16Array(buckets);
  const kept = new Int32Array(copy(8 * parts));
  for (let i = 0; i < kept.length; i += 2) partRows[kept[i]!] = words + kept[i + 1]!;

  expect(flag() && flag(), 'quantized rows and norms');
  expect(long() === words + parts && long() === dim, 'a row for each word and part');
  const codes = take(int());
  const quantizer = (): Quantizer => {
    const values = int();
    const [pieces, width] = [int(), int()];
    skip(4); // width of the last piece
    expect(pieces * width === values, 'pieces of one width');
    return { pieces, width, centroids: new Float32Array(copy(4 * CENTROIDS * values)) };
  };
  const quantized = quantizer();
  const normCodes = take(words + parts);
  const norms = quantizer();
  expect(quantized.pieces * quantized.width === dim && norms.width === 1, 'codes that fill rows');
  expect(codes.length === normCodes.length * quantized.pieces, 'codes for each row');
  const input = unpack(codes, quantized, normCodes, norms.centroids);

  expect(!flag(), 'plain output');
  expect(long() === labelCount && long() === dim, 'a row for each label');
  const output = new Float32Array(copy(4 * labelCount * dim));
  return {
    dim,
    minn,
    maxn,
    wordBytes,
    wordStarts,
    wordEnds,
    labels,
    labelCounts,
    input,
    partRows,
    output,
  };
}

/** Rows of product quantization (Jégou et al. 2011): the centroids that the codes name, times the row's norm. */
function unpack(
  codes: Uint8Array,
  { pieces, width, centroids }: Quantizer,
  normCodes: Uint8Array,
  norms: Float32Array,
): Float32Array {
  const values = new Float32Array(codes.length * width);
  let to = 0;
  for (let row = 0; row < normCodes.length; row++) {
    const norm = norms[normCodes[row]!]!;
    for (let piece = 0; piece < pieces; piece++) {
      const from = (piece * CENTROIDS + codes[row * pieces + piece]!) * width;
      for (let d = 0; d < width; d++) values[to++] = norm * centroids[from + d]!;
    }
  }
  return values;
}
