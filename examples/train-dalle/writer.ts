/** Writes pictures code by code: all at once as a batch, keys and values of what is written kept. */
import { type Feeds, type Forward, Graph, openForward, type Parameters, Rng } from '../autodiff/index.ts';
import { type TransformerSize, writingStep } from './model.ts';
import { floats } from './networks.ts';

export interface WriteOptions {
  /** How far past the caption's own logits, away from those without a caption (Ho and Salimans 2022); 1: not at all. */
  readonly guidance: number;
  readonly temperature: number;
  /** Drawn from so many of the likeliest codes. */
  readonly topK: number;
  readonly seed: number;
}

/** What is not written yet, or never will be. */
const HIDDEN = -1e9;

export class Writer implements AsyncDisposable {
  readonly #size: TransformerSize;
  /** Pictures that are written at once. */
  readonly count: number;
  readonly #step: Forward;
  readonly #memory: Record<string, Float32Array> = {};

  private constructor(size: TransformerSize, count: number, step: Forward) {
    this.#size = size;
    this.count = count;
    this.#step = step;
    const { layers, width, textTokens, imageTokens } = size;
    for (let i = 0; i < layers; i++)
      for (const what of ['keys', 'values'])
        this.#memory[`${what}.${i}`] = new Float32Array(2 * count * (textTokens + imageTokens - 1) * width);
  }

  /** @param count pictures that are written at once */
  static async open(parameters: Parameters, size: TransformerSize, count: number): Promise<Writer> {
    const graph = new Graph('writing', parameters, true);
    writingStep(graph, 2 * count, size);
    return new Writer(size, count, await openForward(graph.toModel()));
  }

  /**
   * @param captions tokens [count, T] @param none those of no caption, [T]
   * @returns codes [count, I]
   */
  async write(captions: BigInt64Array, none: BigInt64Array, options: WriteOptions): Promise<BigInt64Array> {
    const { textTokens, imageTokens, vocabulary, codes: kinds } = this.#size;
    const count = this.count;
    const codes = new BigInt64Array(count * imageTokens);
    const rng = new Rng(options.seed);
    for (let place = 0; place < textTokens + imageTokens - 1; place++) {
      // The second half of the batch writes the same codes without the captions.
      const token = BigInt64Array.from({ length: 2 * count }, (_, i) => {
        if (place >= textTokens)
          return BigInt(vocabulary) + codes[(i % count) * imageTokens + place - textTokens]!;
        return i < count ? captions[i * textTokens + place]! : none[place]!;
      });
      const logits = await this.#logits(token, place);
      if (place < textTokens - 1) continue;
      for (let i = 0; i < count; i++) {
        const [withIt, without] = [i, i + count].map((row) =>
          logits.subarray(row * kinds, (row + 1) * kinds),
        );
        const code = draw(withIt!, without!, options, rng);
        codes[i * imageTokens + place - textTokens + 1] = BigInt(code);
      }
    }
    return codes;
  }

  /** Of what comes behind the token at a place: [2·count, codes] */
  async #logits(token: BigInt64Array, place: number): Promise<Float32Array> {
    const { textTokens, imageTokens, layers } = this.#size;
    const L = textTokens + imageTokens - 1;
    const hidden = Float32Array.from({ length: L + 1 }, (_, i) => (i < place || i === L ? 0 : HIDDEN));
    const feeds: Feeds = { token, place: BigInt64Array.of(BigInt(place)), hidden, ...this.#memory };
    const results = await this.#step.run(feeds);
    for (let i = 0; i < layers; i++) {
      this.#keep(`keys.${i}`, results[`key.${i}`], place);
      this.#keep(`values.${i}`, results[`value.${i}`], place);
    }
    return floats(results.logits);
  }

  /** Puts [n, heads, 1, size] at a place of [n, heads, L, size]. */
  #keep(name: string, part: Float32Array | BigInt64Array | undefined, place: number): void {
    const { textTokens, imageTokens, width, heads } = this.#size;
    const [L, size] = [textTokens + imageTokens - 1, width / heads];
    const [all, rows] = [this.#memory[name]!, floats(part)];
    for (let i = 0; i < rows.length / size; i++)
      all.set(rows.subarray(i * size, (i + 1) * size), (i * L + place) * size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#step.close();
  }
}

/** Draws one of the likeliest codes. */
function draw(
  withIt: Float32Array,
  without: Float32Array,
  { guidance, temperature, topK }: WriteOptions,
  rng: Rng,
): number {
  const logits = withIt.map((logit, code) => without[code]! + guidance * (logit - without[code]!));
  const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, topK);
  const odds = best.map((code) => Math.exp((logits[code]! - logits[best[0]!]!) / temperature));
  let left = rng.uniform(
    0,
    odds.reduce((sum, share) => sum + share, 0),
  );
  for (const [i, share] of odds.entries()) {
    if (left < share) return best[i]!;
    left -= share;
  }
  return best[0]!; // what rounding leaves over
}
