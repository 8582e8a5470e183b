/** Batches for training: different emoji, a view of each, a caption of each. */

import { Rng, seedOf } from '../autodiff/rng.ts';
import type { BpeEncoder } from './bpe.ts';
import { addFillers, type Caption, FILLER_WORDS, holds, type Subject, sayCaption } from './captions.ts';
import type { Dataset } from './dataset.ts';
import type { Batch } from './head.ts';

/** Share of captions whose merges are dropped now and then, and the share of merges dropped in those. */
const TOKEN_DROPOUT = { captions: 0.1, share: 0.3 };

/** Share of captions that get filler words. */
const FILLER_SHARE = 0.15;

/** Draws batches: different emoji, a random set's drawing and view of each, a random caption. */
export class Batches {
  readonly #data: Dataset;
  readonly #encoder: BpeEncoder;
  readonly #seed: number;
  /** Examples of each emoji. */
  readonly #emoji: readonly (readonly number[])[];
  /** Whose captions an example gets: its own, or in the control another emoji's. */
  readonly #subjects: readonly Subject[];
  readonly #shuffled: boolean;
  /** Filler words that are not said of any emoji. */
  readonly #fillers: readonly string[];

  /** @param shuffled - The control: the emoji's captions are dealt out among them once, at random. */
  constructor(data: Dataset, encoder: BpeEncoder, seed: number, shuffled = false) {
    [this.#data, this.#encoder, this.#seed, this.#shuffled] = [data, encoder, seed, shuffled];
    const byHex = Map.groupBy(data.examples.keys(), (i) => data.examples[i]!.drawing.hex);
    this.#emoji = [...byHex.values()];
    const subjects = data.examples.map((e) => e.subject);
    if (shuffled) {
      const others = new Rng(seedOf('shuffled', seed)).sample(this.#emoji);
      this.#emoji.forEach((indices, e) => {
        for (const i of indices) subjects[i] = data.examples[others[e]![0]!]!.subject;
      });
    }
    this.#subjects = subjects;
    this.#fillers = FILLER_WORDS.filter((word) => !subjects.some(({ words }) => words.has(word)));
  }

  /** The batch of a step: the same whenever it is asked for. */
  at(step: number, size: number): Batch {
    const rng = new Rng(seedOf('batch', this.#seed, step));
    const { width, views, examples, features, units, mean, deviation, backgrounds } = this.#data;
    const chosen = rng.sample(this.#emoji, size).map((indices) => rng.pick(indices));
    const batch = new Float32Array(size * width);
    const captions = chosen.map((example, row) => {
      const view = rng.int(views) * examples.length + example;
      for (let i = 0; i < width; i++) {
        const value = features[view * width + i]! * units[i]!;
        batch[row * width + i] = (value - mean[i]!) / deviation[i]!;
      }
      const background = this.#shuffled ? null : backgrounds[view]!;
      const caption = sayCaption(this.#subjects[example]!, background, rng);
      return rng.chance(FILLER_SHARE) ? addFillers(caption, this.#fillers, rng) : caption;
    });
    const noise = new Uint8Array(size * width);
    rng.fill(noise);
    const counts = this.#countTokens(captions, rng);
    return { features: batch, noise, positives: this.#positives(chosen, captions), counts };
  }

  #positives(chosen: readonly number[], captions: readonly Caption[]): Float32Array {
    const size = chosen.length;
    const positives = new Float32Array(size * size);
    captions.forEach(({ claim }, text) => {
      for (let picture = 0; picture < size; picture++) {
        const fits = picture === text || (claim !== null && holds(claim, this.#subjects[chosen[picture]!]!));
        if (fits) positives[text * size + picture] = 1;
      }
    });
    return positives;
  }

  #countTokens(captions: readonly Caption[], rng: Rng): Float32Array {
    const tokens = this.#encoder.size;
    const counts = new Float32Array(captions.length * tokens);
    captions.forEach(({ text }, row) => {
      const dropout = rng.chance(TOKEN_DROPOUT.captions) ? { share: TOKEN_DROPOUT.share, rng } : undefined;
      for (const id of this.#encoder.encodeWords(text, dropout)) counts[row * tokens + id]! += 1;
    });
    return counts;
  }
}
