import { availableParallelism } from 'node:os';
import {
  type ClipModel,
  loadClip,
  type PixelValues,
  readModelFolder,
  resolveModel,
} from '../../clip/index.ts';
import { loadRecipe } from '../../config/index.ts';
import type { BodyThreads } from '../../image/body-threads.ts';
import { Turnstile } from '../../stages/budget.ts';
import type { EmbedNames } from '../../stages/embed/read-samples.ts';
import type { EmbedParts } from '../../stages/embed/sample.ts';
import type { ImageWatch } from '../../stages/image-watch.ts';
import { startCropThreads } from './crop-threads.ts';
import type { EmbedInputs } from './inputs.ts';
import { type EmbedProgress, type EmbedSummary, runEmbed, samplesAhead } from './run.ts';

/** An embedding run as plain data, for another process. */
export interface EmbedWork {
  /** Folder to write to. */
  readonly root: string;
  readonly inputs: EmbedInputs;
  /** A model's name or folder. */
  readonly model: string;
  readonly parts: EmbedParts;
  readonly names: EmbedNames;
  /** Images a call of the network. */
  readonly batchSize: number;
  /** Rows of a file. */
  readonly writeBatchSize: number;
  /** Threads that decode. @default as many as cores, but one that embeds; 8 at most */
  readonly preproWorkers?: number | undefined;
  /** Threads of the network. */
  readonly threads: number;
  /** Samples that are lost at most when the process is killed. @default 10,000 */
  readonly segmentSamples?: number | undefined;
}

/** How a run tells of itself, and what is known of its images. */
export interface EmbedHooks extends Omit<ImageWatch, 'turnstile' | 'underWay' | 'hungry'> {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EmbedProgress) => void;
}

/** Embeds in this process, with a network and with threads that decode. */
export class EmbedRunner implements AsyncDisposable {
  readonly #work: EmbedWork;
  readonly #model: ClipModel;
  readonly #threads: BodyThreads<PixelValues>;

  private constructor(work: EmbedWork, model: ClipModel, threads: BodyThreads<PixelValues>) {
    this.#work = work;
    this.#model = model;
    this.#threads = threads;
  }

  /** @throws GleanerError where the model cannot be loaded */
  static async open(work: EmbedWork): Promise<EmbedRunner> {
    const dir = resolveModel(work.model);
    const { preprocessing } = await readModelFolder(dir);
    const { threads, batchSize } = work;
    const model = await loadClip(dir, { threads, batchSize });
    const workers = work.preproWorkers ?? Math.max(1, Math.min(8, availableParallelism() - 1));
    const limits = { ...loadRecipe('everything').image, minBytes: 1 };
    const ahead = samplesAhead(work.batchSize);
    return new EmbedRunner(work, model, startCropThreads(workers, ahead, { limits, preprocessing }));
  }

  /** @throws GleanerError as `runEmbed` */
  run(hooks: EmbedHooks): Promise<EmbedSummary> {
    const { root, inputs: found, parts, names, batchSize, writeBatchSize, segmentSamples } = this.#work;
    const { inputs, samples } = found;
    const { suspects, fatal, journal, signal, onProgress } = hooks;
    const { name, dimension, files } = this.#model;
    return runEmbed({
      root,
      spec: { model: { name, dimension, files }, inputs, parts, names, writeBatchSize },
      // As clip-retrieval counts them: from the number of parts that there will be, as far as is known.
      digits: String(Math.max(1, Math.ceil(samples / writeBatchSize))).length,
      model: this.#model,
      batchSize,
      threads: this.#threads,
      ...(segmentSamples !== undefined && { segmentSamples }),
      watch: { suspects, fatal, journal, turnstile: new Turnstile(samplesAhead(batchSize)) },
      signal,
      onProgress,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads[Symbol.asyncDispose]();
    await this.#model.close();
  }
}
