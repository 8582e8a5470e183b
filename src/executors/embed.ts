import { mkdir } from 'node:fs/promises';
import { openEmbedInputs } from '../pipeline/embed/inputs.ts';
import type { EmbedProgress, EmbedSummary } from '../pipeline/embed/run.ts';
import type { EmbedWork } from '../pipeline/embed/runner.ts';
import { lockFolder } from '../pipeline/lock.ts';
import { GleanerError } from '../schema/index.ts';
import type { EmbedFormat, EmbedNames } from '../stages/embed/read-samples.ts';
import type { EmbedParts } from '../stages/embed/sample.ts';
import { assertLocal } from '../storage/index.ts';
import { silenceOfModelMs } from './model-silence.ts';
import type { Order } from './orders.ts';
import { processExecutor } from './processes.ts';

/** The process's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './embed-process.ts' : './embed-process.js',
  import.meta.url,
);
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
 * options was stopped. All is done in a process that is begun anew where an image ends it; that image is then left out.
 * @throws GleanerError
 */
export async function embedLocally(options: EmbedLocallyOptions): Promise<EmbedSummary> {
  const { signal = new AbortController().signal, onProgress } = options;
  const work = await workOf(options);
  assertLocal(options.out);
  await mkdir(options.out, { recursive: true });
  const unlock = await lockFolder(options.out);
  try {
    const executor = processExecutor<Order, EmbedWork, EmbedSummary>({
      workers: 1,
      file: PROCESS,
      openOrders: 1,
      silenceMs: silenceOfModelMs(work.batchSize),
    });
    const at = (done: number, share: number) => onProgress?.({ done, share, finished: false });
    const summaries: EmbedSummary[] = [];
    const failures = await executor.execute(oneOrder(), work, { signal, at }, (_, summary) => {
      summaries.push(summary);
    });
    const [summary] = summaries;
    if (!summary)
      throw new GleanerError('TASK_FAILED', {
        task: 'embed',
        problem: failures[0]?.problem ?? 'did not end',
      });
    onProgress?.({ done: summary.samples, share: 1, finished: true });
    return summary;
  } finally {
    await unlock();
  }
}

async function workOf(options: EmbedLocallyOptions): Promise<EmbedWork> {
  const { out, names = {}, batchSize = BATCH_SIZE, writeBatchSize = WRITE_BATCH_SIZE } = options;
  const { model = 'gleaner-mini', threads = 1, preproWorkers, segmentSamples } = options;
  const parts = withDefaults(options.parts);
  const inputs = await openEmbedInputs(options.inputs, options.inputFormat);
  const sizes = { batchSize, writeBatchSize, preproWorkers, threads, segmentSamples };
  return { root: out, inputs, model, parts, names, ...sizes };
}

async function* oneOrder(): AsyncGenerator<Order> {
  yield { index: 0, suspects: [], fatal: [] };
}

function withDefaults(asked: Partial<EmbedParts> = {}): EmbedParts {
  const parts = { image: true, text: true, metadata: false, ...asked };
  if (!parts.image && !parts.text)
    throw new GleanerError('USAGE', {
      problem: 'Without images and without texts there is nothing to embed.',
    });
  return parts;
}
