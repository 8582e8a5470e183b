/** Captions as tokens. */
import { BpeEncoder, countWords, learnMerges, type Merge } from '../train-embedded/bpe.ts';

/** Learns byte pairs from captions. */
export const learnTokens = (captions: Iterable<string>, merges: number): readonly Merge[] =>
  learnMerges(countWords(captions), merges);

export class CaptionTokens {
  readonly #encoder: BpeEncoder;
  /** Tokens of a caption, start and end included. */
  readonly length: number;

  constructor(merges: readonly Merge[], length: number) {
    this.#encoder = new BpeEncoder(merges);
    this.length = length;
  }

  /** Kinds of tokens. */
  get vocabulary(): number {
    return this.#encoder.size;
  }

  /** [captions, length]: start, words as far as there is room, ends. undefined is no caption: ends alone. */
  encode(captions: readonly (string | undefined)[]): BigInt64Array {
    const { startId, endId } = this.#encoder;
    const ids = new BigInt64Array(captions.length * this.length).fill(BigInt(endId));
    captions.forEach((caption, i) => {
      const words = caption === undefined ? [] : this.#encoder.encodeWords(caption);
      const tokens = [startId, ...words.slice(0, this.length - 2)];
      tokens.forEach((id, j) => {
        ids[i * this.length + j] = BigInt(id);
      });
    });
    return ids;
  }

  /** [captions, length − 1]: 1 for tokens of `encode` that are to be foreseen, the first end too; 0 for no caption. */
  weights(captions: readonly (string | undefined)[], ids: BigInt64Array): Float32Array {
    const end = BigInt(this.#encoder.endId);
    const weights = new Float32Array(captions.length * (this.length - 1));
    captions.forEach((caption, i) => {
      const row = ids.subarray(i * this.length, (i + 1) * this.length);
      const until = caption === undefined ? 0 : row.indexOf(end);
      weights.fill(1, i * (this.length - 1), i * (this.length - 1) + until);
    });
    return weights;
  }
}
