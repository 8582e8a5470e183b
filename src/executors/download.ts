import { availableParallelism } from 'node:os';
import { loadRecipe, type RecipeOverrides } from '../config/index.ts';
import type { DownloadProgress, DownloadSummary, ShardExecutor } from '../pipeline/download/run.ts';
import { retryDownload, runDownload } from '../pipeline/download/run.ts';
import type { IncrementalMode } from '../pipeline/download/run-file.ts';
import type { ShardEnvironment, ShardOrder, ShardResult } from '../pipeline/download/runner.ts';
import { inputColumns } from '../pipeline/download/shards.ts';
import { type ListColumns, type ListFormat, openLists } from '../pipeline/download/url-lists.ts';
import { readKnownContent } from '../safety/known-content.ts';
import { GleanerError, retryableReasons } from '../schema/index.ts';
import { RESERVED_COLUMNS } from '../stages/download/columns.ts';
import type { DownloadOptions } from '../stages/download/options.ts';
import { digestChunks, streamFile } from '../storage/index.ts';
import { processExecutor } from './processes.ts';

/** The process's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './shard-process.ts' : './shard-process.js',
  import.meta.url,
);
/**
 * Shards that a process has open: the slow answers of one are waited for while the next is begun. A trickle takes half a
 * minute; with six shards of 10,000 URLs it holds up nothing below 2,000 URLs a second.
 */
const OPEN_SHARDS = 6;

interface Watching {
  /** Processes. @default one for four cores: each fetches in one thread and makes images in others */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** A download on this machine, by what a user names. */
export interface DownloadLocallyOptions extends Watching {
  /** Lists of URLs: paths, patterns, folders, http://, https:// or s3:// URLs. */
  readonly urls: readonly string[];
  /** Folder to write to. */
  readonly out: string;
  /** Of all lists. @default by each one's extension */
  readonly inputFormat?: ListFormat;
  /** @default { url: 'url', caption: null, additional: [] } */
  readonly columns?: Partial<ListColumns>;
  /** A built-in recipe or the path of a YAML file: its sections `fetch` and `image` hold here. @default 'everything' */
  readonly recipe?: string;
  readonly overrides?: RecipeOverrides;
  readonly options?: Partial<Omit<DownloadOptions, 'columns'>>;
  /** HOST:PORT pairs that may be fetched although their address is not public. */
  readonly allowHosts?: readonly string[];
  readonly incrementalMode?: IncrementalMode;
}

/** img2dataset's defaults, but for the output: webdataset is what nearly everybody names there. */
const DEFAULTS: Omit<DownloadOptions, 'columns'> = {
  outputFormat: 'webdataset',
  imageSize: 256,
  resizeMode: 'border',
  resizeOnlyIfBigger: false,
  encodeFormat: 'jpg',
  encodeQuality: 95,
  skipReencode: false,
  disableAllReencoding: false,
  minImageSize: 0,
  maxImageArea: null,
  maxAspectRatio: null,
  computeHash: 'sha256',
  extractExif: true,
  samplesPerShard: 10_000,
  shardDigits: 5,
};

/**
 * Downloads the images that lists name, or goes on where an earlier call with the same options stopped.
 * @throws GleanerError
 */
export async function downloadLocally(options: DownloadLocallyOptions): Promise<DownloadSummary> {
  const { signal = new AbortController().signal, onProgress } = options;
  const recipe = loadRecipe(options.recipe ?? 'everything', options.overrides);
  const columns: ListColumns = { url: 'url', caption: null, additional: [], ...options.columns };
  checkColumns(columns);
  const settings = { ...DEFAULTS, ...options.options };
  checkSettings(settings);
  const { knownContent } = recipe.safety;
  if (settings.disableAllReencoding && knownContent.some(({ kind }) => kind === 'phash'))
    throw usage('lists of kind phash are of decoded pictures, and --disable-all-reencoding decodes none.');
  await readKnownContent(knownContent, streamFile);
  const lists = await openLists(options.urls, options.inputFormat);
  const types = await inputColumns(lists, columns, signal);
  return runDownload({
    root: options.out,
    spec: {
      recipe,
      options: { ...settings, columns: types },
      allowHosts: options.allowHosts ?? [],
      optOut: await digestFiles(recipe.fetch.optOutLists),
      knownContent: await digestFiles(knownContent.map(({ path }) => path)),
    },
    lists,
    columns,
    ...(options.incrementalMode && { mode: options.incrementalMode }),
    executor: executorOf(options),
    signal,
    ...(onProgress && { onProgress }),
  });
}

/** A list that was edited is another list: what was downloaded under the old one is not gone on with. */
async function digestFiles(paths: readonly string[]): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const path of paths) {
    digests[path] = (await digestChunks(streamFile(path))).sha256;
  }
  return digests;
}

function checkColumns({ additional }: ListColumns): void {
  const reserved = additional.find((name) => RESERVED_COLUMNS.has(name));
  if (reserved !== undefined)
    throw usage(
      `'${reserved}' cannot be saved as an additional column: the download has a column of that name.`,
    );
  const twice = additional.find((name, i) => additional.indexOf(name) !== i);
  if (twice !== undefined) throw usage(`the additional column '${twice}' is named twice.`);
}

function checkSettings({
  encodeFormat,
  encodeQuality,
  samplesPerShard,
}: Omit<DownloadOptions, 'columns'>): void {
  const [least, most] = encodeFormat === 'png' ? [0, 9] : [1, 100];
  if (encodeQuality < least || encodeQuality > most)
    throw usage(`--encode-quality of ${encodeFormat} is from ${least} to ${most}, not ${encodeQuality}.`);
  if (samplesPerShard < 1) throw usage('a shard has at least one sample.');
}

export interface RetryLocallyOptions extends Watching {
  /** Folder of a download. */
  readonly dir: string;
  /** Reasons whose URLs are fetched again. */
  readonly reasons: readonly string[];
}

/**
 * Fetches again what a download could not get for some reasons, and folds it in.
 * @throws GleanerError
 */
export async function retryLocally(options: RetryLocallyOptions): Promise<DownloadSummary> {
  const { signal = new AbortController().signal, onProgress } = options;
  return retryDownload({
    root: options.dir,
    reasons: retryableReasons(options.reasons),
    executor: executorOf(options),
    signal,
    ...(onProgress && { onProgress }),
  });
}

function executorOf({ workers }: Watching): ShardExecutor {
  return processExecutor<ShardOrder, Omit<ShardEnvironment, 'share'>, ShardResult>({
    workers: workers ?? Math.max(1, Math.ceil(availableParallelism() / 4)),
    file: PROCESS,
    openOrders: OPEN_SHARDS,
    name: 'download',
  });
}

function usage(problem: string): GleanerError<'USAGE'> {
  return new GleanerError('USAGE', { problem });
}
