import type { IndexReleaseOptions } from '../stages/index-release.ts';
import { fileStorage } from '../storage/index.ts';

export interface IndexRunOptions extends Omit<IndexReleaseOptions, 'dir'> {
  readonly signal?: AbortSignal;
  /** Rows gone over since the last call, and how many there are to go over in all. */
  readonly onProgress?: (rows: number, total: number) => void;
}

/**
 * Builds the search index of a run's release, or replaces it.
 *
 * @throws GleanerError RUN_NOT_FOUND without a release, DAMAGED
 */
export async function indexRun(dir: string, options: IndexRunOptions = {}): Promise<void> {
  // Loaded here: a run that ends before its index does not wait for the engine.
  const [{ INDEX_PASSES, indexRelease }, { MAP_PASSES }, { readStatistics, STATISTICS_FILE }] =
    await Promise.all([
      import('../stages/index-release.ts'),
      import('../stages/map/draw-map.ts'),
      import('../stages/report/index.ts'),
    ]);
  const { signal = new AbortController().signal, onProgress, ...rest } = options;
  const storage = fileStorage(dir);
  // Without a release there is nothing to count, and indexRelease says what is missing.
  const released = (await storage.size(STATISTICS_FILE)) !== undefined;
  const rows = released ? (await readStatistics(storage)).rows : 0;
  const passes = INDEX_PASSES + ((options.map ?? true) ? MAP_PASSES : 0);
  const progress = (done: number) => onProgress?.(done, rows * passes);
  await indexRelease({ dir, ...rest }, { storage, signal, progress });
}
