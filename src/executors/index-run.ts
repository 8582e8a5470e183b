import { buildBytes } from '../knn/index.ts';
import type { IndexReleaseOptions } from '../stages/index-release.ts';
import { fileStorage } from '../storage/index.ts';

/** What making an index will take. */
export interface IndexPlan {
  readonly rows: number;
  readonly dimension: number;
  /** About, in bytes: of the whole process. */
  readonly memoryBytes: number;
  /** About, in bytes: the index, and what is there beside it while it is made. */
  readonly diskBytes: number;
}

export interface IndexRunOptions extends Omit<IndexReleaseOptions, 'dir'> {
  /** Told before anything is made. */
  readonly onPlan?: (plan: IndexPlan) => void;
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
  const { signal = new AbortController().signal, onProgress, onPlan, ...rest } = options;
  const storage = fileStorage(dir);
  // Without a release there is nothing to count, and indexRelease says what is missing.
  const released = (await storage.size(STATISTICS_FILE)) !== undefined;
  const statistics = released ? await readStatistics(storage) : undefined;
  const rows = statistics?.rows ?? 0;
  if (statistics) onPlan?.(planOf(rows, statistics.model.dimension, rest.memoryBytes));
  const passes = INDEX_PASSES + ((options.map ?? true) ? MAP_PASSES : 0);
  const progress = (done: number) => onProgress?.(done, rows * passes);
  await indexRelease({ dir, ...rest }, { storage, signal, progress });
}

/**
 * In bytes, measured on 200,000 rows: of a process that has loaded what it needs; of a row in a row group that is read; of a row
 * in the tables of filters (28) and on the map; and on disk of its metadata and caption, which are LAION-400M's as a rule.
 */
const [PROCESS_BYTES, READ_BYTES, TABLE_BYTES, ROW_BYTES] = [250e6, 11_000, 60, 1000];
/** Rows of a row group of released metadata, at most. */
const GROUP_ROWS = 50_000;

function planOf(rows: number, dimension: number, memoryBytes: number | undefined): IndexPlan {
  return {
    rows,
    dimension,
    memoryBytes:
      PROCESS_BYTES +
      Math.min(rows, GROUP_ROWS) * READ_BYTES +
      rows * TABLE_BYTES +
      2 * buildBytes(rows, dimension, memoryBytes),
    // Two indices: float16 vectors and 4-bit codes, and the vectors once more as they come in, with the codes.
    diskBytes: rows * (ROW_BYTES + 2 * (2 * dimension * 2 + 2 * (dimension / 2))),
  };
}
