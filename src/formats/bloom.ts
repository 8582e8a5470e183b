import { GleanerError } from '../schema/index.ts';
import type { ByteSink, ByteSource } from '../storage/index.ts';
import type { KeyWords } from './keys.ts';

/*
 * A Bloom filter of uids: says of each uid either that it was certainly not put in, or that it probably was. It is
 * cut into slices by ranges of uids, as buckets are, so that it is made and read a slice at a time.
 * docs/formats.md describes it for other programs; what stands here has to stand there.
 */
const MAGIC = 'GLNRBLOM';
const VERSION = 1;
const HEADER_BYTES = 40;
/** Bits, keys and offset of a slice. */
const ENTRY_BYTES = 24;
/** A position is scaled from a word of 32 bits. */
const MAX_SLICE_BITS = 2 ** 32;

export interface BloomInfo {
  /** Share of uids that were not put in and are yet taken for such that were. */
  readonly falsePositiveRate: number;
  /** Bits that stand for a key. */
  readonly hashes: number;
  readonly keys: number;
  readonly slices: readonly { readonly offset: number; readonly bits: number; readonly keys: number }[];
}

/**
 * Bits and hashes of the smallest filter for a rate (Bloom 1970; Broder and Mitzenmacher 2004): −ln p / (ln 2)² bits
 * a key, −log₂ p hashes. Rounding the hashes to a whole number costs up to 3 % more bits, which are added here.
 */
export function bloomShape(keys: number, rate: number): { readonly bits: number; readonly hashes: number } {
  const hashes = Math.max(1, Math.round(-Math.log2(rate)));
  const bitsPerKey = -hashes / Math.log(1 - rate ** (1 / hashes));
  return { hashes, bits: Math.max(64, 8 * Math.ceil((keys * bitsPerKey) / 8)) };
}

/**
 * Writes a filter, slice by slice.
 *
 * @param counts keys of each slice; slice `s` of `n` holds the uids whose leading 32 bits times n / 2³² are s, rounded down
 * @param keysOf the keys of a slice, in pieces
 * @throws RangeError where the rate is not between 0 and 1, or a slice would have more than 2³² bits
 */
export async function writeBloom(
  sink: ByteSink,
  falsePositiveRate: number,
  counts: readonly number[],
  keysOf: (slice: number) => AsyncIterable<KeyWords>,
): Promise<void> {
  if (!(falsePositiveRate > 0 && falsePositiveRate < 1))
    throw new RangeError(`a false-positive rate of ${falsePositiveRate}`);
  const { hashes } = bloomShape(0, falsePositiveRate);
  const table = Buffer.alloc(HEADER_BYTES + counts.length * ENTRY_BYTES);
  table.write(MAGIC, 'latin1');
  table.writeUInt32LE(VERSION, 8);
  table.writeUInt32LE(counts.length, 12);
  table.writeUInt32LE(hashes, 16);
  table.writeDoubleLE(falsePositiveRate, 24);
  table.writeBigUInt64LE(BigInt(counts.reduce((sum, n) => sum + n, 0)), 32);
  let offset = table.length;
  const sizes = counts.map((keys, slice) => {
    const { bits } = bloomShape(keys, falsePositiveRate);
    if (bits > MAX_SLICE_BITS) throw new RangeError(`${keys} keys in one slice are too many`);
    const at = HEADER_BYTES + slice * ENTRY_BYTES;
    table.writeBigUInt64LE(BigInt(offset), at);
    table.writeBigUInt64LE(BigInt(bits), at + 8);
    table.writeBigUInt64LE(BigInt(keys), at + 16);
    offset += bits / 8;
    return bits;
  });
  await sink.write(table);
  for (const [slice, bits] of sizes.entries()) {
    const bytes = new Uint8Array(bits / 8);
    for await (const words of keysOf(slice))
      for (let i = 0; 4 * i < words.length; i++) setBits(bytes, bits, hashes, words, i);
    await sink.write(bytes);
  }
}

/** Reads the header of a filter. @throws GleanerError DAMAGED */
export async function bloomInfo(source: ByteSource, path: string): Promise<BloomInfo> {
  const header = Buffer.from(await source.slice(0, HEADER_BYTES));
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC)
    throw new GleanerError('DAMAGED', { path, problem: 'is no Bloom filter of gleaner' });
  const version = header.readUInt32LE(8);
  if (version !== VERSION)
    throw new GleanerError('DAMAGED', {
      path,
      problem: `is a Bloom filter of version ${version}, not ${VERSION}`,
    });
  const count = header.readUInt32LE(12);
  const tableEnd = HEADER_BYTES + count * ENTRY_BYTES;
  const notWhole = new GleanerError('DAMAGED', { path, problem: 'is a Bloom filter that is not whole' });
  if (tableEnd > source.byteLength) throw notWhole;
  const table = Buffer.from(await source.slice(HEADER_BYTES, tableEnd));
  const slices = Array.from({ length: count }, (_, s) => ({
    offset: Number(table.readBigUInt64LE(s * ENTRY_BYTES)),
    bits: Number(table.readBigUInt64LE(s * ENTRY_BYTES + 8)),
    keys: Number(table.readBigUInt64LE(s * ENTRY_BYTES + 16)),
  }));
  let at = tableEnd;
  for (const { offset, bits } of slices) {
    if (offset !== at || bits < 8 || bits % 8 !== 0 || bits > MAX_SLICE_BITS) throw notWhole;
    at += bits / 8;
  }
  const hashes = header.readUInt32LE(16);
  if (at !== source.byteLength || count === 0 || hashes === 0 || hashes > 64) throw notWhole;
  return {
    falsePositiveRate: header.readDoubleLE(24),
    hashes,
    keys: Number(header.readBigUInt64LE(32)),
    slices,
  };
}

/** One slice of a filter, in memory. */
export interface BloomSlice {
  /** False: the key was certainly not put in. True: it probably was. @param i which of the keys in `words` */
  mayHave(words: KeyWords, i: number): boolean;
}

/** @throws GleanerError FILE_NOT_FOUND, DAMAGED */
export async function readBloomSlice(
  source: ByteSource,
  info: BloomInfo,
  slice: number,
): Promise<BloomSlice> {
  const { offset = 0, bits = 64 } = info.slices[slice] ?? {};
  const bytes = new Uint8Array(await source.slice(offset, offset + bits / 8));
  return { mayHave: (words, i) => hasBits(bytes, bits, info.hashes, words, i) };
}

/*
 * A uid is a cryptographic hash: its words 1 and 2 are as good as two hash functions (word 0 says which slice). The
 * positions follow by enhanced double hashing (Dillinger and Manolios 2004), scaled to the slice by multiplication.
 */
function setBits(bytes: Uint8Array, bits: number, hashes: number, words: KeyWords, i: number): void {
  let x = words[4 * i + 1] ?? 0;
  let y = words[4 * i + 2] ?? 0;
  for (let h = 0; h < hashes; h++) {
    const position = Math.floor((x * bits) / 2 ** 32);
    bytes[Math.floor(position / 8)] = (bytes[Math.floor(position / 8)] ?? 0) | (1 << (position % 8));
    x = (x + y) >>> 0;
    y = (y + h + 1) >>> 0;
  }
}

function hasBits(bytes: Uint8Array, bits: number, hashes: number, words: KeyWords, i: number): boolean {
  let x = words[4 * i + 1] ?? 0;
  let y = words[4 * i + 2] ?? 0;
  for (let h = 0; h < hashes; h++) {
    const position = Math.floor((x * bits) / 2 ** 32);
    if (((bytes[Math.floor(position / 8)] ?? 0) & (1 << (position % 8))) === 0) return false;
    x = (x + y) >>> 0;
    y = (y + h + 1) >>> 0;
  }
  return true;
}
