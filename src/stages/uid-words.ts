import {
  type ColumnValues,
  compareKeys,
  countValues,
  KEY_BYTES,
  type KeyWords,
  NumberBuffers,
  type PlainStrings,
} from '../formats/index.ts';
import { bucketOfLead, leadOf } from './tables.ts';

/** The two characters of each byte as they lie in memory: an element is two bytes in the machine's order. */
const CHARACTERS = new Uint16Array(
  Uint8Array.from(
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('')),
  ).buffer,
);
const UID_CHARS = 32;
/** The first half of a length of `UID_CHARS`, little-endian; the other is 0. */
const [LENGTH = 0] = new Uint16Array(Uint8Array.of(UID_CHARS, 0).buffer);

/** A range of uids: bucket `bucket` of `buckets`. */
export interface BucketRange {
  readonly bucket: number;
  readonly buckets: number;
}

/** The words of a column of uids as `pairs/` has them. @param words takes them */
export function uidWords(uids: ColumnValues, words: KeyWords): KeyWords {
  if (countValues(uids) === 0) return words;
  if (uids.kind !== 'fixed' || uids.width !== KEY_BYTES) throw new Error('a column of uids was expected');
  const { length } = uids.bytes;
  const view = new DataView(uids.bytes.buffer, uids.bytes.byteOffset, length);
  for (let i = 0; 4 * i < length; i++) words[i] = view.getUint32(4 * i);
  return words;
}

/** A uid as text. */
export function uidText(words: KeyWords, i: number): string {
  return Array.from(words.subarray(4 * i, 4 * i + 4), (word) => word.toString(16).padStart(8, '0')).join('');
}

/** Uids as a column of texts. @param numbers which of them */
export function uidColumn(words: KeyWords, numbers: Uint32Array): PlainStrings {
  const bytes = new Uint8Array(numbers.length * (4 + UID_CHARS));
  const pairs = new Uint16Array(bytes.buffer);
  const offsets = new Uint32Array(numbers.length + 1);
  let at = 0;
  for (let i = 0; i < numbers.length; i++) {
    pairs[at] = LENGTH;
    at += 2;
    const first = 4 * (numbers[i] ?? 0);
    for (let w = first; w < first + 4; w++, at += 4) {
      const word = words[w] ?? 0;
      pairs[at] = CHARACTERS[word >>> 24] ?? 0;
      pairs[at + 1] = CHARACTERS[(word >>> 16) & 255] ?? 0;
      pairs[at + 2] = CHARACTERS[(word >>> 8) & 255] ?? 0;
      pairs[at + 3] = CHARACTERS[word & 255] ?? 0;
    }
    offsets[i + 1] = 2 * at;
  }
  return { kind: 'plain', bytes, offsets };
}

/** The first row that is in another bucket, or -1. */
export function strayRow(words: KeyWords, { bucket, buckets }: BucketRange): number {
  for (let row = 0; 4 * row < words.length; row++)
    if (bucketOfLead(words[4 * row] ?? 0, buckets) !== bucket) return row;
  return -1;
}

export interface OrderedKeys {
  /** For each key the number of the first one that is equal to it; its own where there is none before it. */
  readonly first: Uint32Array;
  /** Numbers of those that are their own first one, in ascending order of the keys. */
  readonly order: Uint32Array;
}

/**
 * Finds equal keys, and the order of the others. Keys are hashes: as many bins as there are keys, each a part of the
 * bucket's range, hold about one each, in a list that is kept in order. Equal ones do not enter it, so that a pair
 * that comes a million times costs no more than others.
 *
 * @param words keys of that bucket
 * @param memory holds what is returned
 */
export function orderKeys(
  words: KeyWords,
  { bucket, buckets }: BucketRange,
  memory = new NumberBuffers(),
): OrderedKeys {
  const count = words.length / 4;
  const least = leadOf(bucket, buckets);
  const binsALead = count / (leadOf(bucket + 1, buckets) - least);
  /** Of each bin its first key, and of each key the next one in its list: their numbers and one, 0 where there is none. */
  const heads = memory.take('heads', count + 1).fill(0);
  const next = memory.take('next', count);
  const first = memory.take('first', count);
  let unique = 0;
  for (let key = 0; key < count; key++) {
    const lead = words[4 * key] ?? 0;
    const bin = Math.floor((lead - least) * binsALead);
    let before = 0;
    let at = heads[bin] ?? 0;
    let difference = 1;
    for (; at !== 0; at = next[at - 1] ?? 0) {
      difference = (words[4 * (at - 1)] ?? 0) - lead || compareKeys(words, at - 1, words, key);
      if (difference >= 0) break;
      before = at;
    }
    if (at !== 0 && difference === 0) {
      first[key] = at - 1;
      continue;
    }
    first[key] = key;
    next[key] = at;
    if (before === 0) heads[bin] = key + 1;
    else next[before - 1] = key + 1;
    unique++;
  }
  const order = memory.take('order', unique);
  let i = 0;
  for (let bin = 0; bin < heads.length; bin++)
    for (let at = heads[bin] ?? 0; at !== 0; at = next[at - 1] ?? 0) order[i++] = at - 1;
  return { first, order };
}
