import { availableParallelism } from 'node:os';
import type { BodyThreads } from '../image/body-threads.ts';
import { GleanerError, type Outcome } from '../schema/index.ts';
import { ByteBudget } from '../stages/budget.ts';
import { mapOrdered } from '../stages/ordered.ts';
import { type EpochOptions, type Step, steps } from './epoch.ts';
import { type Batch, checkOptions, type Loader, type LoaderCounts, type LoaderOptions } from './options.ts';
import { captionOf } from './read-shard.ts';
import { findShards } from './shards.ts';
import { type Draw, takeFrom } from './shuffle.ts';
import { openSplit } from './split-samples.ts';
import type { Planes } from './square.ts';
import { startSquareThreads } from './square-threads.ts';
import { beginning, FIRST, type LoaderState, type Place, resumed } from './state.ts';

/** Encoded pictures that wait for their thread, in bytes, at most; one may be larger. */
const ENCODED_BYTES = 64 << 20;
/** Pictures that are ready ahead of the batch that is put together, in bytes, at most. */
const READY_BYTES = 256 << 20;
/** Pictures that are under way for each thread, where there is room. */
const A_THREAD = 8;

/**
 * Streams the samples of webdataset tars as batches for training: shards are read in order, each from its beginning to its end;
 * samples are drawn from a shuffle buffer, decoded and brought to a square in threads, a batch ahead of who asks. The
 * same options give the same batches, whatever the number of threads; with `state`, those that would have followed.
 *
 * Memory: the shuffle buffer's samples as they are stored (256 MiB at most), 64 MiB of encoded and 256 MiB of decoded pictures
 * under way, a decoded picture for each thread, and a batch.
 *
 * A picture that cannot be decoded is left out and counted. A decoder in C that crashes ends the process.
 *
 * @throws GleanerError USAGE; FILE_NOT_FOUND; SPLIT_EMPTY. Going through it: DAMAGED at a broken shard, with the byte; FILE_UNREADABLE where a
 *   server does not answer; DATASET_EMPTY where an epoch has no batch; the reason of `signal`
 */
export async function openLoader(options: LoaderOptions): Promise<Loader> {
  checkOptions(options);
  const shards = await findShards(options.from);
  const split = options.split && (await openSplit(options.split));
  const start = beginning(options, shards, split?.digest ?? '');
  const state = options.state === undefined ? start : resumed(options.state, start, shards.length);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const batches = new Batches(options, state, {
    shards,
    signal,
    seed: options.seed ?? 1,
    shuffle: options.shuffle ?? 1000,
    share: options.shard ?? { index: 0, count: 1 },
    takes: split?.takes ?? (() => true),
    textOf: options.textOf ?? captionOf,
  });
  const iterator = batches.run();
  return {
    [Symbol.asyncIterator]: () => iterator,
    get counts() {
      return batches.counts;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the loader was closed'));
      await iterator.return().catch(() => undefined);
    },
  };
}

type Prepared = Step & { readonly picture?: Outcome<Planes> | undefined };

/** The picture of a sample that has all that is asked for. */
function toDecode(step: Step): Uint8Array<ArrayBuffer> | undefined {
  if (!('draw' in step) || step.draw.sample.text === undefined) return undefined;
  return step.draw.sample.image ?? undefined;
}

/** Puts batches together, and keeps up the state behind each. */
class Batches {
  readonly #options: LoaderOptions;
  readonly #epochs: EpochOptions;
  readonly #sampleBytes: number;
  /** Memory of pictures whose levels are in their batch. */
  readonly #memory: ArrayBuffer[] = [];
  #state: LoaderState;
  /** The shuffle buffer behind the last sample that came, by places alone: reading is ahead of it. */
  readonly #buffer: Place[];
  #counts: { -readonly [K in keyof LoaderCounts]: number };
  #images: Uint8Array<ArrayBuffer>;
  #texts: string[] = [];
  #keys: string[] = [];

  constructor(options: LoaderOptions, state: LoaderState, epochs: EpochOptions) {
    this.#options = options;
    this.#epochs = epochs;
    this.#sampleBytes = 3 * options.imageSize ** 2;
    this.#state = state;
    this.#buffer = [...state.buffer];
    this.#counts = { ...state.counts };
    this.#images = this.#newImages();
  }

  get counts(): LoaderCounts {
    return { ...this.#counts };
  }

  async *run(): AsyncGenerator<Batch, void, undefined> {
    const { batchSize, imageSize, fit = 'crop', filter = 'bicubic', dropLast = true } = this.#options;
    const { workers = Math.max(1, availableParallelism() - 1), epochs = Number.POSITIVE_INFINITY } =
      this.#options;
    await using threads = startSquareThreads(workers, { imageSize, fit, filter });
    for await (const { epoch, ...step } of this.#prepared(threads, workers, epochs)) {
      this.#epochs.signal.throwIfAborted();
      if ('draw' in step) {
        this.#take(step.draw, step.picture);
        if (this.#keys.length === batchSize) yield this.#batch(epoch);
        continue;
      }
      if (this.#keys.length > 0 && !dropLast) yield this.#batch(epoch);
      if (this.#state.batches === 0) throw this.#empty();
      this.#texts = [];
      this.#keys = [];
      this.#state = { ...this.#state, epoch: epoch + 1, batches: 0, drawn: 0, next: FIRST };
    }
  }

  /** Samples in their order, their pictures decoded in threads. */
  #prepared(
    threads: BodyThreads<Planes>,
    workers: number,
    epochs: number,
  ): AsyncGenerator<Prepared, void, undefined> {
    const { batchSize } = this.#options;
    const room = Math.floor(READY_BYTES / this.#sampleBytes);
    const window = Math.max(1, workers, Math.min(room, Math.max(batchSize, A_THREAD * workers)));
    const budget = new ByteBudget(ENCODED_BYTES);
    const prepare = async (step: Step): Promise<Prepared> => {
      const image = toDecode(step);
      if (!image) return step;
      const bytes = image.length;
      try {
        return { ...step, picture: await threads.run(image, this.#memory.pop()) };
      } finally {
        budget.adjust(-bytes);
      }
    };
    return mapOrdered(steps(this.#state, epochs, this.#epochs), window, prepare, (step) =>
      budget.reserve(toDecode(step)?.length ?? 0),
    );
  }

  /** Puts a sample into the batch, or counts why not. */
  #take({ sample, added, slot, next }: Draw, picture: Prepared['picture']): void {
    this.#buffer.push(...added);
    takeFrom(this.#buffer, slot);
    this.#state = { ...this.#state, drawn: this.#state.drawn + 1, next };
    if (sample.image === undefined) this.#counts.withoutImage++;
    else if (sample.text === undefined) this.#counts.withoutText++;
    else if (!picture?.kept) this.#counts.undecodable++;
    else {
      const { planes } = picture.value;
      this.#images.set(planes, this.#keys.length * this.#sampleBytes);
      this.#memory.push(planes.buffer);
      this.#texts.push(sample.text);
      this.#keys.push(sample.key);
    }
  }

  #batch(epoch: number): Batch {
    const [texts, keys] = [this.#texts, this.#keys];
    const images = this.#images.subarray(0, keys.length * this.#sampleBytes);
    [this.#texts, this.#keys, this.#images] = [[], [], this.#newImages()];
    this.#counts.samples += keys.length;
    const { step, batches } = this.#state;
    this.#state = {
      ...this.#state,
      ...{ epoch, step: step + 1, batches: batches + 1 },
      buffer: [...this.#buffer],
      counts: this.counts,
    };
    return { step, epoch, images, texts, keys, state: this.#state };
  }

  #newImages(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#options.batchSize * this.#sampleBytes);
  }

  /** An epoch without a batch: going on would never end. */
  #empty(): GleanerError {
    const { batchSize, dropLast = true, from } = this.#options;
    const { withoutImage, withoutText, undecodable } = this.#counts;
    const found = this.#keys.length;
    const left = withoutImage + withoutText + undecodable;
    let problem = 'there is no sample in it';
    if (left > 0)
      problem = `no sample has a picture that can be decoded, and a text (${withoutImage} have no picture, ${withoutText} no text, ${undecodable} are undecodable)`;
    if (found > 0 && dropLast)
      problem = `an epoch has ${found} samples, fewer than a batch of ${batchSize}: make it smaller`;
    return new GleanerError('DATASET_EMPTY', {
      path: typeof from === 'string' ? from : (from[0] ?? ''),
      problem,
    });
  }
}
