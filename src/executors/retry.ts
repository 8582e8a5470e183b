import { withSecrets } from '../config/index.ts';
import { type ImagesFrom, readRunFile, retryStages, type StageProgress } from '../pipeline/index.ts';
import { GleanerError, retryableReasons } from '../schema/index.ts';
import { openStorage } from '../storage/index.ts';
import { localExecutor } from './local.ts';
import { endRemoval } from './remove.ts';
import { checkScoring, digestBlocklists } from './run.ts';

export interface RetryRunOptions {
  /** Folder of a run. */
  readonly dir: string;
  /** Reasons whose pairs are fetched again: of fetching or decoding. */
  readonly reasons: readonly string[];
  /** Threads, and processes for the harvest. @default the number of cores */
  readonly workers?: number;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/**
 * Fetches again what a run's harvest dropped for some reasons, and makes its release anew: it becomes what one good run
 * gives. What else the harvest kept or dropped stays as it is.
 * @throws GleanerError
 */
export async function retryRunLocally(options: RetryRunOptions): Promise<void> {
  const { dir, workers, processFile, signal, onProgress } = options;
  const reasons = retryableReasons(options.reasons);
  const stored = await readRunFile(openStorage(dir));
  if (!stored?.modelDir)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: dir,
      what: 'harvest',
      hint: "Give the --out of 'gleaner run'.",
    });
  if (stored.subset)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: dir,
      what: 'harvest',
      hint: `It is a subset of ${stored.subset.parent}: retry that, and make the subset again.`,
    });
  const recipe = withSecrets(stored.recipe);
  const images: ImagesFrom = stored.images;
  // A run keeps to its provider: 'auto' might find another by now.
  const score = { ...recipe.score, provider: stored.provider ?? 'cpu' };
  const scoring = await checkScoring({ model: stored.modelDir }, { ...recipe, score }, images);
  const blocklists = await digestBlocklists(recipe);
  const { wats, seen, tombstones, apart, keepFetched } = stored;
  await endRemoval(dir, options);
  await retryStages({
    root: dir,
    spec: {
      ...{ recipe, wats, images, ...scoring, blocklists, seen, tombstones },
      ...(apart && { apart }),
      ...(keepFetched && { keepFetched }),
    },
    reasons,
    executor: localExecutor({
      ...(workers !== undefined && { workers }),
      ...(processFile && { processFile }),
    }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
}
