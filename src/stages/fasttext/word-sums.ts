import type { FastTextModel } from '../../formats/index.ts';
import { BASIS, hashOf, PRIME, sameBytes } from './bytes.ts';
import { wordFinder } from './word-finder.ts';

/** A word is UTF-8 in `bytes[from, to)`, with a byte before and one behind it that may be written to. */
export interface WordSums {
  /** Adds the rows of a word and of its parts to `sum`. Returns how many. */
  add(bytes: Uint8Array, from: number, to: number, sum: Float64Array): number;
  /** Adds the row of the end of a line. Returns how many. */
  addLineEnd(sum: Float64Array): number;
}

/** What stands around a word when it is cut in parts: < and >. */
const BEGIN = 0x3c;
const END = 0x3e;
export const LINE_END = new TextEncoder().encode('</s>');
/** What begins so would be a label in training data, and is passed over. */
const LABEL = new TextEncoder().encode('__label__');

/** Words whose sums are remembered, and their greatest length in bytes: 0.7 MB at 16 values a row. */
const KNOWN = 1 << 13;
const KNOWN_BYTES = 16;

/**
 * The rows of words: a word's own, if the model has it, and those of its parts that were not pruned. Words repeat: the
 * sums of many are remembered, each at the place that its hash gives, until another takes that place.
 */
export function wordSums(model: FastTextModel): WordSums {
  const { dim, minn, maxn, input, partRows } = model;
  const buckets = partRows.length;
  const findWord = wordFinder(model);
  const lineEnd = findWord(LINE_END, 0, LINE_END.length, hashOf(LINE_END, 0, LINE_END.length));
  // One place more: that of words that are not remembered.
  const lengths = new Uint8Array(KNOWN);
  const words = new Uint8Array(KNOWN * KNOWN_BYTES);
  const rows = new Uint32Array(KNOWN + 1);
  const sums = new Float32Array((KNOWN + 1) * dim);

  return {
    add(bytes, from, to, sum) {
      const place = placeOf(bytes, from, to);
      for (let d = 0, at = place * dim; d < dim; d++) sum[d] = sum[d]! + sums[at + d]!;
      return rows[place]!;
    },
    addLineEnd(sum) {
      if (lineEnd < 0) return 0;
      for (let d = 0; d < dim; d++) sum[d] = sum[d]! + input[lineEnd * dim + d]!;
      return 1;
    },
  };

  function placeOf(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to);
    const length = to - from;
    const place = length > KNOWN_BYTES ? KNOWN : (hash ^ (hash >>> 16)) & (KNOWN - 1);
    const at = place * KNOWN_BYTES;
    if (place < KNOWN) {
      if (lengths[place] === length && sameBytes(words, at, bytes, from, length)) return place;
      lengths[place] = length;
      for (let i = 0; i < length; i++) words[at + i] = bytes[from + i]!;
    }
    rows[place] = 0;
    sums.fill(0, place * dim, (place + 1) * dim);
    if (length >= LABEL.length && sameBytes(LABEL, 0, bytes, from, LABEL.length)) return place;
    const word = findWord(bytes, from, to, hash);
    if (word >= 0) addRow(place, word);
    addParts(place, bytes, from, to);
    return place;
  }

  function addParts(place: number, bytes: Uint8Array, from: number, to: number): void {
    bytes[from - 1] = BEGIN;
    bytes[to] = END;
    for (let i = from - 1; i <= to; i++) {
      if (continues(bytes[i]!)) continue;
      let hash = BASIS;
      for (let j = i, n = 1; j <= to && n <= maxn; n++) {
        // fastText takes bytes as signed.
        do hash = Math.imul(hash ^ ((bytes[j++]! << 24) >> 24), PRIME);
        while (j <= to && continues(bytes[j]!));
        const row = n < minn ? 0 : partRows[(hash >>> 0) % buckets]!;
        if (row !== 0) addRow(place, row);
      }
    }
  }

  function addRow(place: number, row: number): void {
    rows[place] = rows[place]! + 1;
    const to = place * dim;
    const from = row * dim;
    for (let d = 0; d < dim; d++) sums[to + d] = sums[to + d]! + input[from + d]!;
  }
}

/** Whether a byte of UTF-8 goes on with a character. */
function continues(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
