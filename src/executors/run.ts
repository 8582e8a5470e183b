import { createHash } from 'node:crypto';
import { identifyModel, resolveModel } from '../clip/index.ts';
import { loadRecipe, type Recipe, type RecipeOverrides } from '../config/index.ts';
import { createWebSource } from '../fetcher/index.ts';
import {
  type CrawlSelection,
  crawlInputs,
  type ImagesFrom,
  identifySeen,
  openInputs,
  runStages,
  type StageName,
  type StageProgress,
} from '../pipeline/index.ts';
import { loadSafetyCategories } from '../safety/index.ts';
import { streamFile } from '../storage/index.ts';
import { localExecutor } from './local.ts';

/** A whole run on this machine, by what a user names. */
export interface RunLocallyOptions {
  /** A built-in recipe or the path of a YAML file. @default 'laion400m' */
  readonly recipe?: string;
  /** Single values of the recipe to change, a section at a time. */
  readonly overrides?: RecipeOverrides;
  /** WAT files, plain or gzip: paths, patterns, http://, https:// or s3:// URLs; or files of a crawl by its name. */
  readonly wats: readonly string[] | CrawlSelection;
  /** Folder of the run; made where there is none, gone on with where there is one. */
  readonly out: string;
  /** A built-in model or a folder with an ONNX CLIP. @default 'gleaner-mini' */
  readonly model?: string;
  /** WARC files that hold the images; without them they are fetched from the web. */
  readonly imagesFrom?: readonly string[];
  /** Folders of earlier runs, or their Bloom filters (`.bloom`): pairs that these had are dropped. */
  readonly seen?: readonly string[];
  /** HOST:PORT pairs that may be fetched although their address is not public. */
  readonly allowHosts?: readonly string[];
  /** The last stage to run. @default all of them */
  readonly until?: StageName;
  /** Threads. @default the number of cores */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/**
 * Turns WAT files into a release on this machine, or goes on where an earlier call with the same options stopped.
 * Everything that was named is looked at before anything is written.
 *
 * @throws GleanerError
 */
export async function runLocally(options: RunLocallyOptions): Promise<void> {
  const recipe = loadRecipe(options.recipe ?? 'laion400m', options.overrides);
  const look = options.signal ? { signal: options.signal } : {};
  const wats =
    'crawl' in options.wats
      ? await crawlInputs(options.wats, look)
      : await openInputs(options.wats, 'WAT', look);
  const images: ImagesFrom = options.imagesFrom?.length
    ? { kind: 'archive', files: await openInputs(options.imagesFrom, 'WARC') }
    : { kind: 'web', allowHosts: options.allowHosts ?? [] };
  // Options of the web that are no good are told now, not when the first image is asked for.
  if (images.kind === 'web')
    await createWebSource({ ...recipe.fetch, allowHosts: images.allowHosts }).close();
  const scores = options.until !== 'extract' && options.until !== 'dedup';
  const modelDir = scores ? resolveModel(options.model ?? 'gleaner-mini') : null;
  const model = modelDir === null ? null : await identifyModel(modelDir);
  const categories = scores ? await loadSafetyCategories(recipe.safety.categories) : null;
  const blocklists = await digestBlocklists(recipe);
  const seen = await identifySeen(options.seen ?? [], options.out);
  await runStages({
    root: options.out,
    spec: { recipe, wats, images, model, modelDir, categories, blocklists, seen },
    executor: localExecutor(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.until && { until: options.until }),
    ...(options.signal && { signal: options.signal }),
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
}

/** A list that was edited is another list: what was extracted under the old one is not gone on with. */
async function digestBlocklists({ extract }: Recipe): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const path of [...extract.hostBlocklists, ...extract.urlBlocklists]) {
    const digest = createHash('sha256');
    for await (const chunk of streamFile(path)) digest.update(chunk);
    digests[path] = digest.digest('hex');
  }
  return digests;
}
