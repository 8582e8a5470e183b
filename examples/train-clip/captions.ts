/** Captions as token ids. */
import { BpeEncoder, countWords, learnMerges } from '../train-embedded/bpe.ts';

/** Most tokens of a caption, start and end included; captions of the demo have 9 to 26. */
export const CONTEXT = 32;

export interface Tokens {
  /** int64 [n, CONTEXT]: start, words, end, and end tokens up to the full length. */
  readonly ids: BigInt64Array;
  /** int64 [n, CONTEXT]: 1 up to the end token. */
  readonly mask: BigInt64Array;
}

/** A vocabulary of one's own: byte pairs of the captions that are trained on, and of no others. */
export function learnTokens(captions: readonly string[], merges: number): BpeEncoder {
  return new BpeEncoder(learnMerges(countWords(captions), merges));
}

/** @param passOver - Whether a token of a word is left out of the mask: of a caption each time another part. @default never */
export function tokensOf(
  encoder: BpeEncoder,
  texts: readonly string[],
  passOver: () => boolean = () => false,
): Tokens {
  const ids = new BigInt64Array(texts.length * CONTEXT).fill(BigInt(encoder.endId));
  const mask = new BigInt64Array(texts.length * CONTEXT);
  for (const [row, text] of texts.entries()) {
    const words = encoder.encodeWords(text).slice(0, CONTEXT - 2);
    for (const [place, id] of [encoder.startId, ...words, encoder.endId].entries()) {
      const isWord = place > 0 && place <= words.length;
      ids[row * CONTEXT + place] = BigInt(id);
      mask[row * CONTEXT + place] = isWord && passOver() ? 0n : 1n;
    }
  }
  return { ids, mask };
}
