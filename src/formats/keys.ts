import { GleanerError } from '../schema/index.ts';
import type { ByteSink, ByteSource } from '../storage/index.ts';
import { freeBytes } from './free-bytes.ts';

/*
 * A key file: the uids of one hash bucket, sorted, without anything else. docs/formats.md describes it for other
 * programs; what stands here has to stand there.
 */
const MAGIC = 'GLNRKEYS';
const VERSION = 1;
/** Length of the header, and of a key. */
const HEADER_BYTES = 32;
export const KEY_BYTES = 16;
/** Keys are read in pieces of this many: 1 MiB. */
const PIECE_KEYS = 1 << 16;
/** A search for the first key reads pieces of this many: one read is 4 KiB, as a disk gives them. */
const SEARCH_KEYS = 256;

export interface KeyFileInfo {
  readonly bucket: number;
  /** Buckets that the keys of the run are parted into: bucket b holds the uids whose leading 32 bits are in its range. */
  readonly buckets: number;
  readonly keys: number;
}

/** Four big-endian words of 32 bits for each key: in their order, keys are in the order of uids as text. */
export type KeyWords = Uint32Array;

/**
 * Writes a key file.
 * @param words the keys, four words each
 * @param order which of them, in ascending order of the keys
 */
export async function writeKeyFile(
  sink: ByteSink,
  info: Omit<KeyFileInfo, 'keys'>,
  words: KeyWords,
  order: Uint32Array,
): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(info.bucket, 12);
  header.writeUInt32LE(info.buckets, 16);
  header.writeBigUInt64LE(BigInt(order.length), 24);
  await sink.write(header);
  for (let from = 0; from < order.length; from += PIECE_KEYS) {
    const piece = order.subarray(from, from + PIECE_KEYS);
    const view = new DataView(new ArrayBuffer(piece.length * KEY_BYTES));
    for (let i = 0; i < piece.length; i++) {
      const at = 4 * (piece[i] ?? 0);
      for (let w = 0; w < 4; w++) view.setUint32(i * KEY_BYTES + 4 * w, words[at + w] ?? 0);
    }
    const bytes = new Uint8Array(view.buffer);
    await sink.write(bytes);
    freeBytes(bytes);
  }
}

/** Reads the header of a key file. @throws GleanerError DAMAGED */
export async function keyFileInfo(source: ByteSource, path: string): Promise<KeyFileInfo> {
  const header = Buffer.from(await source.slice(0, HEADER_BYTES));
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC)
    throw new GleanerError('DAMAGED', { path, problem: 'is no key file' });
  const version = header.readUInt32LE(8);
  if (version !== VERSION)
    throw new GleanerError('DAMAGED', {
      path,
      problem: `is a key file of version ${version}, not ${VERSION}`,
    });
  const info = {
    bucket: header.readUInt32LE(12),
    buckets: header.readUInt32LE(16),
    keys: Number(header.readBigUInt64LE(24)),
  };
  if (info.bucket >= info.buckets || source.byteLength !== HEADER_BYTES + info.keys * KEY_BYTES)
    throw new GleanerError('DAMAGED', { path, problem: 'is a key file that is not whole' });
  return info;
}

/**
 * The keys from the first whose leading 32 bits are at least `from`, up to the last below `to` (2³² for all), in
 * pieces of four words a key.
 * @throws GleanerError DAMAGED where keys do not ascend
 */
export async function* readKeys(
  source: ByteSource,
  { path, from = 0, to = 2 ** 32 }: { readonly path: string; readonly from?: number; readonly to?: number },
): AsyncGenerator<KeyWords, void, undefined> {
  const { keys } = await keyFileInfo(source, path);
  let last: KeyWords | undefined;
  for (let at = from > 0 ? await firstKey(source, keys, from) : 0; at < keys; at += PIECE_KEYS) {
    const words = await keysAt(source, at, Math.min(keys, at + PIECE_KEYS));
    const count = words.length / 4;
    for (let i = 0; i < count; i++)
      if (i > 0 ? compareKeys(words, i - 1, words, i) >= 0 : last && compareKeys(last, 0, words, 0) >= 0)
        throw new GleanerError('DAMAGED', { path, problem: `key ${at + i} does not ascend` });
    last = words.slice(-4);
    let end = count;
    while (end > 0 && (words[4 * (end - 1)] ?? 0) >= to) end--;
    if (end > 0) yield words.subarray(0, 4 * end);
    if (end < count) return;
  }
}

/** Number of a key not after the first whose leading word is at least `lead`, close before it. */
async function firstKey(source: ByteSource, keys: number, lead: number): Promise<number> {
  let [low, high] = [0, keys];
  while (high - low > SEARCH_KEYS) {
    const middle = (low + high) >>> 1;
    const [word = 0] = await keysAt(source, middle, middle + 1);
    if (word < lead) low = middle;
    else high = middle;
  }
  const words = await keysAt(source, low, high);
  let i = 0;
  while (4 * i < words.length && (words[4 * i] ?? 0) < lead) i++;
  return low + i;
}

async function keysAt(source: ByteSource, from: number, to: number): Promise<KeyWords> {
  const view = new DataView(
    await source.slice(HEADER_BYTES + from * KEY_BYTES, HEADER_BYTES + to * KEY_BYTES),
  );
  const words = new Uint32Array(view.byteLength / 4);
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i);
  return words;
}

/** Below, at or above zero as key `i` of `a` comes before, is, or comes after key `j` of `b`. */
export function compareKeys(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  for (let w = 0; w < 4; w++) {
    const difference = (a[4 * i + w] ?? 0) - (b[4 * j + w] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
