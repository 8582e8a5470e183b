import type { FastTextModel } from '../../formats/index.ts';
import { sameBytes } from './bytes.ts';
import { type Guess, labelTree } from './label-tree.ts';
import { LINE_END, wordSums } from './word-sums.ts';

/**
 * What a line is, best guess first: at most `k` guesses, none below 10⁻⁵. No white space but that of ASCII parts words.
 */
export type Classify = (line: string, k: number) => Guess[];

/**
 * fastText's prediction (Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification"): the labels that its
 * C++ gives, and the probabilities but for the rounding of its 32-bit floats. A line is the mean of the rows of its
 * words and their parts and of the end of the line.
 */
export function createClassifier(model: FastTextModel): Classify {
  const words = wordSums(model);
  const bestLabels = labelTree(model);
  const encoder = new TextEncoder();
  const mean = new Float64Array(model.dim);
  let bytes = new Uint8Array(0);
  let room = bytes;

  return (line, k) => {
    // Three bytes for a UTF-16 code unit at most, and one before and behind each word for the marks of its ends.
    if (room.length <= 3 * line.length) {
      bytes = new Uint8Array(3 * line.length + 2);
      room = bytes.subarray(1);
    }
    const end = 1 + encoder.encodeInto(line, room).written;
    mean.fill(0);
    let rows = 0;
    for (let from = 1; from < end; from++) {
      if (isSpace(bytes[from]!)) continue;
      let to = from + 1;
      while (to < end && !isSpace(bytes[to]!)) to++;
      if (isLineEnd(bytes, from, to)) break;
      rows += words.add(bytes, from, to, mean);
      from = to;
    }
    rows += words.addLineEnd(mean);
    if (rows === 0) return [];
    for (let d = 0; d < mean.length; d++) mean[d] = mean[d]! / rows;
    return bestLabels(mean, k);
  };
}

/** What fastText parts words at: NUL and the white space of ASCII. A line holds no line feed. */
function isSpace(c: number): boolean {
  return c === 0x20 || (c >= 9 && c <= 13) || c === 0;
}

/** Whether a word is `</s>`, which fastText itself puts at the end of a line: it reads no further. */
function isLineEnd(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === LINE_END.length && sameBytes(bytes, from, LINE_END, 0, LINE_END.length);
}
