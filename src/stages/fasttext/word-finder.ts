import type { FastTextModel } from '../../formats/index.ts';
import { hashOf, sameBytes } from './bytes.ts';

/** The row of a word by its bytes and their `hashOf`; -1 where the model does not have it. */
export type FindWord = (bytes: Uint8Array, from: number, to: number, hash: number) => number;

/** A hash table of the model's words with open addressing, at most half full. */
export function wordFinder({ wordBytes, wordStarts, wordEnds }: FastTextModel): FindWord {
  const size = 2 ** Math.ceil(Math.log2(2 * wordEnds.length + 2));
  const rows = new Int32Array(size).fill(-1);
  for (let row = 0; row < wordEnds.length; row++) {
    let place = hashOf(wordBytes, wordStarts[row]!, wordEnds[row]!) & (size - 1);
    while (rows[place]! >= 0) place = (place + 1) & (size - 1);
    rows[place] = row;
  }
  return (bytes, from, to, hash) => {
    for (let place = hash & (size - 1); ; place = (place + 1) & (size - 1)) {
      const row = rows[place]!;
      if (row < 0) return -1;
      const start = wordStarts[row]!;
      if (wordEnds[row]! - start === to - from && sameBytes(wordBytes, start, bytes, from, to - from))
        return row;
    }
  };
}
