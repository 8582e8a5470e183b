import { join } from 'node:path';
import { loadRecipe, type Recipe, type RecipeOverrides } from '../config/index.ts';
import {
  type CrawlSelection,
  crawlInputs,
  type ImagesFrom,
  identifySeen,
  namedTombstones,
  openInputs,
  type RunSpec,
  runStages,
  type StageName,
  type StageProgress,
} from '../pipeline/index.ts';
import { digestChunks, resolveLocation, streamFile } from '../storage/index.ts';
import { localExecutor } from './local.ts';
import { endRemoval } from './remove.ts';

/** A whole run on this machine, by what a user names. */
export interface RunLocallyOptions {
  /** A built-in recipe or the path of a YAML file. @default 'laion400m' */
  readonly recipe?: string;
  /** Single values of the recipe to change, a section at a time. */
  readonly overrides?: RecipeOverrides;
  /** WAT files, plain or gzip: paths, patterns, http://, https:// or s3:// URLs; or files of a crawl by its name. */
  readonly wats: readonly string[] | CrawlSelection;
  /** Folder of the run, or s3://BUCKET/PREFIX; made where there is none, gone on with where there is one. */
  readonly out: string;
  /** A built-in model or a folder with an ONNX CLIP. @default 'gleaner-mini' */
  readonly model?: string;
  /** WARC files that hold the images; without them they are fetched from the web. */
  readonly imagesFrom?: readonly string[];
  /** Folders of earlier runs, or their Bloom filters (`.bloom`): pairs that these had are dropped. */
  readonly seen?: readonly string[];
  /** Tombstone files, or folders of runs with one: what was taken down there is not brought back. */
  readonly tombstones?: readonly string[];
  /** HOST:PORT pairs that may be fetched although their address is not public. */
  readonly allowHosts?: readonly string[];
  /**
   * Images are fetched first, by threads, and left in tars; then they are scored. The release is the same. @default false
   */
  readonly fetchApart?: boolean;
  /** These tars stay. @default false: each is removed when it is harvested */
  readonly keepFetched?: boolean;
  /** The last stage to run. @default all of them */
  readonly until?: StageName;
  /** Threads, and processes for the harvest. @default the number of cores */
  readonly workers?: number;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
  /** Called with a line that a user should read, as on what networks are run. */
  readonly onNotice?: (line: string) => void;
}

/**
 * Turns WAT files into a release on this machine, or goes on where an earlier call with the same options stopped.
 * Everything that was named is looked at before anything is written.
 *
 * @throws GleanerError
 */
export async function runLocally(options: RunLocallyOptions): Promise<void> {
  const spec = await resolveRun(options);
  const { workers, processFile } = options;
  await endRemoval(options.out, options);
  await runStages({
    root: options.out,
    spec,
    executor: localExecutor({
      ...(workers !== undefined && { workers }),
      ...(processFile && { processFile }),
    }),
    ...(options.until && { until: options.until }),
    ...(options.signal && { signal: options.signal }),
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
}

/** What a run is made of, by what a user names. */
export type NamedRun = Omit<RunLocallyOptions, 'workers' | 'processFile' | 'onProgress'>;

/**
 * Looks at all that was named, and makes of it what a run is made of.
 *
 * @param how `elsewhere`: other machines are to run it; a provider is then taken as it is named, and tried there
 * @throws GleanerError
 */
export async function resolveRun(options: NamedRun, how?: { readonly elsewhere: true }): Promise<RunSpec> {
  const recipe = loadRecipe(options.recipe ?? 'laion400m', options.overrides);
  const look = options.signal ? { signal: options.signal } : {};
  const wats =
    'crawl' in options.wats
      ? await crawlInputs(options.wats, look)
      : await openInputs(options.wats, 'WAT', look);
  const images: ImagesFrom = options.imagesFrom?.length
    ? { kind: 'archive', files: await openInputs(options.imagesFrom, 'WARC') }
    : { kind: 'web', allowHosts: options.allowHosts ?? [] };
  const scores = options.until !== 'extract' && options.until !== 'dedup';
  const scoring = scores ? await checkScoring(options, recipe, images, how) : NO_SCORING;
  const blocklists = await digestBlocklists(recipe);
  const seen = await identifySeen(options.seen ?? [], options.out);
  const tombstones = (options.tombstones ?? []).map(resolveLocation);
  for (const path of tombstones) await namedTombstones(path);
  return {
    ...{ recipe, wats, images, ...scoring, blocklists, seen, tombstones },
    ...(options.fetchApart && { apart: true }),
    ...(options.keepFetched && { keepFetched: true }),
  };
}

type Scoring = Pick<RunSpec, 'model' | 'modelDir' | 'provider' | 'categories'>;
/** Of a run that ends before images are looked at. */
const NO_SCORING: Scoring = { model: null, modelDir: null, provider: null, categories: null };

/** Looks at what the harvest will need: what is no good is told now, not when the first image is asked for. */
export async function checkScoring(
  options: Pick<RunLocallyOptions, 'model' | 'onNotice'>,
  recipe: Recipe,
  images: ImagesFrom,
  how?: { readonly elsewhere: true },
): Promise<Scoring> {
  // Loaded here: extraction and dedup begin without waiting for network, images and models.
  const [clip, fetcher, safety] = await Promise.all([
    import('../clip/index.ts'),
    import('../fetcher/index.ts'),
    import('../safety/index.ts'),
  ]);
  if (images.kind === 'web') {
    const optOut = await fetcher.readOptOut(recipe.fetch.optOutLists, streamFile, recipe.fetch.optOut);
    await fetcher.createWebSource({ ...recipe.fetch, optOut, allowHosts: images.allowHosts }).close();
  }
  await safety.readKnownContent(recipe.safety.knownContent, streamFile);
  for (const { path, thresholds } of recipe.safety.classifiers)
    await (await safety.loadClassifier(path, thresholds)).close();
  const modelDir = clip.resolveModel(options.model ?? 'gleaner-mini');
  const { variant, provider: choice } = recipe.score;
  const model = await clip.identifyModel(modelDir, { variant: variant ?? undefined });
  const { provider, said } =
    how?.elsewhere && choice !== 'auto'
      ? { provider: choice, said: undefined }
      : await clip.chooseProvider(choice);
  if (said !== undefined) options.onNotice?.(said);
  const categories = await safety.loadSafetyCategories(recipe.safety.categories);
  return { model, modelDir, provider, categories };
}

/** A list that was edited is another list: what was extracted under the old one is not gone on with. */
export async function digestBlocklists({ extract, fetch, safety }: Recipe): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  const known = safety.knownContent.map(({ path }) => path);
  const classifiers: string[] = [];
  if (safety.classifiers.length > 0) {
    const { classifierFiles } = await import('../safety/index.ts');
    for (const { path } of safety.classifiers)
      classifiers.push(...classifierFiles(path).map((name) => join(path, name)));
  }
  const lists = [...extract.hostBlocklists, ...extract.urlBlocklists, ...fetch.optOutLists, ...known];
  for (const path of [...lists, ...classifiers]) {
    digests[path] = (await digestChunks(streamFile(path))).sha256;
  }
  return digests;
}
