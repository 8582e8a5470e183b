/** Batches for training: different emoji, a view of each, a caption of each. */

import type { Rng } from '../autodiff/rng.ts';
import type { BpeEncoder } from './bpe.ts';
import { addFillers, type Caption, FILLER_WORDS, holds, type Subject, sayCaption } from './captions.ts';
import type { Dataset } from './dataset.ts';
import type { Batch } from './stepper.ts';

/** Share of captions whose merges are dropped now and then, and the share of merges dropped in those. */
const TOKEN_DROPOUT = { captions: 0.1, share: 0.3 };

/** Share of captions that get filler words. */
const FILLER_SHARE = 0.15;

/** Draws batches: different emoji, a random set's drawing and view of each, a random caption. */
export class Batches {
  readonly #data: Dataset;
  readonly #encoder: BpeEncoder;
  readonly #rng: Rng;
  /** Examples of each emoji. */
  readonly #emoji: readonly (readonly number[])[];
  /** Whose captions an example gets: its own, or in the control another emoji's. */
  readonly #subjects: readonly Subject[];
  readonly #shuffled: boolean;
  /** Filler words that are not said of any emoji. */
  readonly #fillers: readonly string[];

  /** @param shuffled - The control: the emoji's captions are dealt out among them once, at random. */
  constructor(data: Dataset, encoder: BpeEncoder, rng: Rng, shuffled = false) {
    [this.#data, this.#encoder, this.#rng, this.#shuffled] = [data, encoder, rng, shuffled];
    const byHex = Map.groupBy(data.examples.keys(), (i) => data.examples[i]!.drawing.hex);
    this.#emoji = [...byHex.values()];
    const subjects = data.examples.map((e) => e.subject);
    if (shuffled) {
      const others = rng.sample(this.#emoji);
      this.#emoji.forEach((indices, e) => {
        for (const i of indices) subjects[i] = data.examples[others[e]![0]!]!.subject;
      });
    }
    this.#subjects = subjects;
    this.#fillers = FILLER_WORDS.filter((word) => !subjects.some(({ words }) => words.has(word)));
  }

  next(size: number): Batch {
    const { width, views, examples, features, backgrounds } = this.#data;
    const rng = this.#rng;
    const chosen = rng.sample(this.#emoji, size).map((indices) => rng.pick(indices));
    const batch = new Float32Array(size * width);
    const captions = chosen.map((example, row) => {
      const view = rng.int(views) * examples.length + example;
      batch.set(features.subarray(view * width, (view + 1) * width), row * width);
      const background = this.#shuffled ? null : backgrounds[view]!;
      const caption = sayCaption(this.#subjects[example]!, background, rng);
      return rng.chance(FILLER_SHARE) ? addFillers(caption, this.#fillers, rng) : caption;
    });
    const noise = new Uint8Array(size * width);
    rng.fill(noise);
    const positives = this.#positives(chosen, captions);
    return { features: batch, noise, positives, ...this.#tokens(captions) };
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

  #tokens(captions: readonly Caption[]): { tokenIds: number[]; counts: Float32Array } {
    const rng = this.#rng;
    const encoded = captions.map(({ text }) => {
      const dropout = rng.chance(TOKEN_DROPOUT.captions) ? { share: TOKEN_DROPOUT.share, rng } : undefined;
      return this.#encoder.encodeWords(text, dropout);
    });
    const tokenIds = [...new Set(encoded.flat())];
    const column = new Map(tokenIds.map((id, u) => [id, u]));
    const counts = new Float32Array(captions.length * tokenIds.length);
    encoded.forEach((ids, row) => {
      for (const id of ids) counts[row * tokenIds.length + column.get(id)!]! += 1;
    });
    return { tokenIds, counts };
  }
}
