import type { ClipModel } from '../clip/index.ts';
import type { RgbImage } from '../schema/index.ts';
import type { Turnstile } from './budget.ts';

/** A pair that waits for its batch, in milliseconds at most. */
const LINGER_MS = 1000;

/** L2-normalised embeddings of an image and a text, `model.dimension` numbers each. */
export interface Scored {
  readonly image: Float32Array;
  readonly text: Float32Array;
  /** Their cosine. */
  readonly similarity: number;
}

interface Waiting {
  readonly crop: RgbImage;
  readonly text: string;
  readonly guard: Turnstile | undefined;
  readonly resolve: (scored: Scored) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Embeds pairs in batches, of whatever comes first from all tasks of a process: a pair's embeddings do not depend on its
 * neighbours (`ClipModel`). A batch is embedded when it is full, when nothing more is coming, or after a second.
 */
export class Scorer {
  readonly #model: ClipModel;
  readonly #batchSize: number;
  readonly #waiting: Waiting[] = [];
  #coming = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(model: ClipModel, batchSize: number) {
    this.#model = model;
    this.#batchSize = batchSize;
  }

  /** A pair is on its way here. @returns that it is here, or will not come; to be called once */
  coming(): () => void {
    this.#coming++;
    return () => {
      this.#coming--;
      this.#look();
    };
  }

  /**
   * @param crop as `model.crop` gives it
   * @param guard nobody may work on an image while this pair is embedded
   */
  score(crop: RgbImage, text: string, guard?: Turnstile): Promise<Scored> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ crop, text, guard, resolve, reject });
      this.#look();
    });
  }

  #look(): void {
    const { length } = this.#waiting;
    if (this.#running || length === 0) return;
    if (length >= this.#batchSize || this.#coming === 0) this.#run();
    else this.#timer ??= setTimeout(() => this.#run(), LINGER_MS);
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running) return;
    this.#running = this.#embed(this.#waiting.splice(0, this.#batchSize)).finally(() => {
      this.#running = undefined;
      this.#look();
    });
  }

  async #embed(batch: readonly Waiting[]): Promise<void> {
    const { dimension } = this.#model;
    const leave = await batch.find(({ guard }) => guard)?.guard?.enter();
    try {
      const images = await this.#model.embedImages(batch.map(({ crop }) => crop));
      const texts = await this.#model.embedTexts(batch.map(({ text }) => text));
      for (const [i, { resolve }] of batch.entries()) {
        // Copies: a row that is kept shall not keep its batch.
        const image = images.slice(i * dimension, (i + 1) * dimension);
        const text = texts.slice(i * dimension, (i + 1) * dimension);
        resolve({ image, text, similarity: dot(image, text) });
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      leave?.();
    }
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
