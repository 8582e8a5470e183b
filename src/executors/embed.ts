import { availableParallelism } from 'node:os';
import { loadClip, readModelFolder, resolveModel } from '../clip/index.ts';
import { loadRecipe } from '../config/index.ts';
import { startCropThreads } from '../pipeline/embed/crop-threads.ts';
import { openEmbedInputs } from '../pipeline/embed/inputs.ts';
import { type EmbedProgress, type EmbedSummary, runEmbed, samplesAhead } from '../pipeline/embed/run.ts';
import { GleanerError } from '../schema/index.ts';
import type { EmbedFormat, EmbedNames } from '../stages/embed/read-samples.ts';
import type { EmbedParts } from '../stages/embed/sample.ts';

/** clip-retrieval's `write_batch_size`. */
const WRITE_BATCH_SIZE = 1_000_000;
/** On a CPU larger batches are slower (`../shared/peers/clip/README.md`). */
const BATCH_SIZE = 32;

/** Embeddings of datasets, by what a user names. */
export interface EmbedLocallyOptions {
  /** Tars, Parquet files, folders of these, or folders of images: paths and patterns; tars also by URL. */
  readonly inputs: readonly string[];
  /** Folder to write to. */
  readonly out: string;
  /** @default by extension; of a folder, by what it holds */
  readonly inputFormat?: EmbedFormat;
  /** A built-in model or a folder with an ONNX CLIP. @default 'gleaner-mini' */
  readonly model?: string;
  /** @default images and texts, no metadata */
  readonly parts?: Partial<EmbedParts>;
  readonly names?: EmbedNames;
  /** Images a call of the network. @default 32 */
  readonly batchSize?: number;
  /** Rows of a file. @default 1,000,000 */
  readonly writeBatchSize?: number;
  /** Threads that decode. @default as many as cores, but one that embeds; 8 at most */
  readonly preproWorkers?: number;
  /** Threads of the network. @default 1 */
  readonly threads?: number;
  /** Samples that are lost at most when the process is killed. @default 10,000 */
  readonly segmentSamples?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EmbedProgress) => void;
}

/**
 * Embeds the images and captions of datasets to clip-retrieval's layout, or goes on where an earlier call with the same
 * options was stopped.
 * @throws GleanerError
 */
export async function embedLocally(options: EmbedLocallyOptions): Promise<EmbedSummary> {
  const { signal = new AbortController().signal, batchSize = BATCH_SIZE } = options;
  const { writeBatchSize = WRITE_BATCH_SIZE, names = {}, onProgress, segmentSamples } = options;
  const parts = withDefaults(options.parts);
  const { inputs, samples } = await openEmbedInputs(options.inputs, options.inputFormat);
  const dir = resolveModel(options.model ?? 'gleaner-mini');
  const { preprocessing } = await readModelFolder(dir);
  const model = await loadClip(dir, { threads: options.threads ?? 1 });
  try {
    const cores = availableParallelism();
    const workers = options.preproWorkers ?? Math.max(1, Math.min(8, cores - 1));
    const limits = { ...loadRecipe('everything').image, minBytes: 1 };
    await using threads = startCropThreads(workers, samplesAhead(batchSize), { limits, preprocessing });
    const { name, dimension, files } = model;
    return await runEmbed({
      root: options.out,
      spec: { model: { name, dimension, files }, inputs, parts, names, writeBatchSize },
      // As clip-retrieval counts them: from the number of parts that there will be, as far as is known.
      digits: String(Math.max(1, Math.ceil(samples / writeBatchSize))).length,
      model,
      batchSize,
      threads,
      ...(segmentSamples !== undefined && { segmentSamples }),
      signal,
      ...(onProgress && { onProgress }),
    });
  } finally {
    await model.close();
  }
}

function withDefaults(asked: Partial<EmbedParts> = {}): EmbedParts {
  const parts = { image: true, text: true, metadata: false, ...asked };
  if (!parts.image && !parts.text)
    throw new GleanerError('USAGE', {
      problem: 'Without images and without texts there is nothing to embed.',
    });
  return parts;
}
