import { type ColumnValues, compareKeys, type KeyWords, stringBytes } from '../formats/index.ts';

/** Value of each hexadecimal digit by its character code; 0x100, which no digit has, for any other character. */
const DIGITS = Uint16Array.from({ length: 256 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return digit < 0 ? 0x100 : digit;
});
const UID_CHARS = 32;

/**
 * Reads a column of uids as four words each.
 * @param words takes those of row r at 4 (first + r)
 * @returns the first row that is no uid, or -1
 */
export function readUids(column: ColumnValues, rows: number, words: KeyWords, first: number): number {
  const plain = column.kind === 'plain' ? column : undefined;
  for (let row = 0; row < rows; row++) {
    const text = plain ? plain.bytes : stringBytes(column, row);
    const start = plain ? (plain.offsets[row] ?? 0) + 4 : 0;
    const length = plain ? (plain.offsets[row + 1] ?? 0) - start : (text?.length ?? 0);
    if (!text || length !== UID_CHARS) return row;
    let wrong = 0;
    for (let w = 0; w < 4; w++) {
      const at = start + 8 * w;
      let word = 0;
      for (let i = 0; i < 8; i++) {
        const digit = DIGITS[text[at + i] ?? 0] ?? 0x100;
        wrong |= digit;
        word = (word << 4) | (digit & 15);
      }
      words[4 * (first + row) + w] = word;
    }
    if (wrong & 0x100) return row;
  }
  return -1;
}

/** A uid as text. */
export function uidText(words: KeyWords, i: number): string {
  return Array.from(words.subarray(4 * i, 4 * i + 4), (word) => word.toString(16).padStart(8, '0')).join('');
}

/**
 * For each key the number of the first one that is equal to it; its own where there is none before it.
 *
 * Open addressing in a table of at least twice as many places, by a word that is as random as any.
 */
export function firstOccurrences(words: KeyWords): Uint32Array {
  const count = words.length / 4;
  const first = new Uint32Array(count);
  const places = 1 << (33 - Math.clz32(Math.max(1, count)));
  const table = new Uint32Array(places);
  const mask = places - 1;
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = [words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]];
    let place = (d ?? 0) & mask;
    let other = table[place] ?? 0;
    for (; other !== 0; other = table[place] ?? 0) {
      const at = 4 * (other - 1);
      if (words[at + 3] === d && words[at + 2] === c && words[at + 1] === b && words[at] === a) break;
      place = (place + 1) & mask;
    }
    if (other === 0) table[place] = i + 1;
    first[i] = other === 0 ? i : other - 1;
  }
  return first;
}

/** The numbers of keys in ascending order of the keys. Radix sort of the leading 48 bits; ties are sorted by comparison. */
export function sortByKey(words: KeyWords, numbers: Uint32Array): Uint32Array {
  let from: Uint32Array = numbers;
  let to: Uint32Array = new Uint32Array(numbers.length);
  const counts = new Uint32Array(1 << 16);
  for (const [word, shift] of [
    [1, 16],
    [0, 0],
    [0, 16],
  ] as const) {
    counts.fill(0);
    for (let i = 0; i < from.length; i++) {
      const digit = ((words[4 * (from[i] ?? 0) + word] ?? 0) >>> shift) & 0xffff;
      counts[digit] = (counts[digit] ?? 0) + 1;
    }
    let sum = 0;
    for (let digit = 0; digit < counts.length; digit++) {
      const n = counts[digit] ?? 0;
      counts[digit] = sum;
      sum += n;
    }
    for (let i = 0; i < from.length; i++) {
      const number = from[i] ?? 0;
      const digit = ((words[4 * number + word] ?? 0) >>> shift) & 0xffff;
      const place = counts[digit] ?? 0;
      to[place] = number;
      counts[digit] = place + 1;
    }
    [from, to] = [to, from === numbers ? new Uint32Array(numbers.length) : from];
  }
  return sortTies(words, from);
}

function sortTies(words: KeyWords, sorted: Uint32Array): Uint32Array {
  for (let i = 1; i < sorted.length; i++) {
    if (compareKeys(words, sorted[i - 1] ?? 0, words, sorted[i] ?? 0) <= 0) continue;
    const start = i - 1;
    while (i < sorted.length && sameLead(words, sorted[start] ?? 0, sorted[i] ?? 0)) i++;
    let begin = start;
    while (begin > 0 && sameLead(words, sorted[start] ?? 0, sorted[begin - 1] ?? 0)) begin--;
    sorted.subarray(begin, i).sort((a, b) => compareKeys(words, a, words, b));
  }
  return sorted;
}

function sameLead(words: KeyWords, i: number, j: number): boolean {
  return words[4 * i] === words[4 * j] && (words[4 * i + 1] ?? 0) >>> 16 === (words[4 * j + 1] ?? 0) >>> 16;
}
