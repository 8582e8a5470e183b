import type { WebdatasetSample } from '../formats/index.ts';
import type { ResampleFilter } from '../image/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { LoaderState } from './state.ts';

/** What is read, and how. */
export interface LoaderOptions {
  /**
   * Tars of webdataset: the folder of a run or of a release (by path or s3:), a folder of tars, or paths, patterns, http:, https:
   * and s3: URLs of tars. Braces stand for many, as `{000..127}.tar`.
   */
  readonly from: string | readonly string[];
  /** Samples of a batch. */
  readonly batchSize: number;
  /** Pixels a side of the square that pictures are brought to: at most 4,096. */
  readonly imageSize: number;
  /**
   * `crop`: the shortest edge becomes `imageSize`, then the middle, as CLIP's preprocessing has it. `border`: the longest edge
   * does, on white.
   * @default 'crop'
   */
  readonly fit?: 'crop' | 'border';
  /** Pillow's filter of that name. @default 'bicubic', CLIP's */
  readonly filter?: ResampleFilter;
  /** Decides the order: the same seed, the same batches. @default 1 */
  readonly seed?: number;
  /**
   * Samples of the shuffle buffer, of which the next is drawn; above 0 shards are shuffled too, anew in each epoch. 0: all in
   * order. Their bytes as they are stored are in memory, at most 256 MiB: then the buffer counts as full.
   * @default 1_000
   */
  readonly shuffle?: number;
  /** How often all samples are gone through. @default endless */
  readonly epochs?: number;
  /** Threads that decode; 0: none, this thread does it. @default one less than cores, at least 1 */
  readonly workers?: number;
  /** Only rows that `gleaner split` has dealt to that split: `file` is DIR/split/split.parquet. */
  readonly split?: { readonly file: string; readonly name: string };
  /**
   * A share of the data for each of several processes: every `count`-th shard of the epoch's order, or every `count`-th sample
   * where there are fewer shards. `index` is from 0.
   */
  readonly shard?: { readonly index: number; readonly count: number };
  /** Leaves out the last batch of an epoch where it is not full. @default true */
  readonly dropLast?: boolean;
  /** Of a batch: goes on behind it. */
  readonly state?: LoaderState;
  readonly signal?: AbortSignal;
  /**
   * The caption of a sample; undefined or null: it has none, and is left out. A function of the sample alone.
   * @default its .txt, else `caption` of its .json
   */
  readonly textOf?: (sample: WebdatasetSample) => string | null | undefined;
}

/** Samples that are trained on together. */
export interface Batch {
  /** Number of the batch, from 0 on, over all epochs. */
  readonly step: number;
  /** From 0 on. */
  readonly epoch: number;
  /** [batch, 3, imageSize, imageSize], red, green, blue, 0 to 255; memory of its own. */
  readonly images: Uint8Array<ArrayBuffer>;
  readonly texts: readonly string[];
  /** webdataset's keys. */
  readonly keys: readonly string[];
  /**
   * Where the loader stands after this batch, as JSON: some 25 bytes for each sample of the shuffle buffer, whatever the size of
   * the dataset.
   */
  readonly state: LoaderState;
}

/** What became of the samples that were gone through, from the beginning on: a state carries them. */
export interface LoaderCounts {
  /** Given in batches. */
  readonly samples: number;
  /** Left out: the picture cannot be decoded, has too many pixels, or is larger than 32 MiB. */
  readonly undecodable: number;
  readonly withoutImage: number;
  readonly withoutText: number;
}

/** Batches in their order; each is made ahead while the one before is worked on. To be gone through once. */
export interface Loader extends AsyncIterable<Batch, void, undefined>, AsyncDisposable {
  readonly counts: LoaderCounts;
}

/** @throws GleanerError USAGE that names the option */
export function checkOptions(options: LoaderOptions): void {
  const { batchSize, imageSize, seed, shuffle, epochs, workers, shard } = options;
  whole('batchSize', batchSize, 1, 1 << 20);
  whole('imageSize', imageSize, 1, 4096);
  whole('seed', seed, 0, 2 ** 32 - 1);
  whole('shuffle', shuffle, 0, 1 << 24);
  whole('epochs', epochs, 1);
  whole('workers', workers, 0, 1024);
  if (!shard) return;
  whole('shard.count', shard.count, 1);
  whole('shard.index', shard.index, 0, shard.count - 1);
}

function whole(name: string, value: number | undefined, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new GleanerError('USAGE', { problem: `loader: ${name} is a whole number ${bounds}, not ${value}.` });
}
