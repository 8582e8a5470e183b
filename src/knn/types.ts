import type { RowSet } from './row-set.ts';

/** Vectors on their way into an index. Row i of `vectors` has id `ids[i]`. */
export interface KnnBatch {
  /** Whole numbers from 0 up: SAMPLE_IDs. */
  readonly ids: readonly number[];
  /** `ids.length` × dimension, row after row. Need not be normalised: the index does it. */
  readonly vectors: Float32Array;
}

export interface KnnSearchOptions {
  /** Hits wanted; fewer come where fewer fit. */
  readonly k: number;
  /** The ids that may be hits. @default all */
  readonly among?: RowSet;
  /** Whether hits carry their vectors. @default false */
  readonly vectors?: boolean;
  /**
   * How much of the index is looked at, as a multiple of what it was tuned to: more is slower and finds more of the
   * true nearest. Engines that look at everything pass it over. @default 1
   */
  readonly effort?: number;
}

export interface KnnRangeOptions {
  /** Hits have at least this cosine. */
  readonly minCosine: number;
  /** Most hits: the best, where there are more. */
  readonly limit: number;
  /** The ids that may be hits. @default all */
  readonly among?: RowSet;
  /** Whether hits carry their vectors. @default false */
  readonly vectors?: boolean;
}

export interface KnnHit {
  readonly id: number;
  /** Inner product of the normalised query and the stored vector, added up in double precision; -1 to 1 but for rounding. */
  readonly cosine: number;
  /** The stored vector, L2-normalised, where it was asked for. */
  readonly vector?: Float32Array;
}

/** What vectors are stored as. Of float16 ones length and cosine are those of the rounded numbers. */
export type KnnPrecision = 'float16' | 'float32';

export interface KnnStats {
  readonly engine: KnnEngineName;
  /** Of the engine that made the index. */
  readonly version: string;
  readonly rows: number;
  readonly dimension: number;
  /** What the index is and how it is searched, as `{ index: 'flat', precision: 'float32' }`. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

export const KNN_ENGINE_NAMES = ['ivf', 'exact'] as const;
export type KnnEngineName = (typeof KNN_ENGINE_NAMES)[number];

/** An open index. Every method rejects after `close`. */
export interface KnnIndex {
  readonly dimension: number;
  /** Adds vectors; one whose id is there already takes its place. Found by the next search. */
  add(batch: KnnBatch): Promise<void>;
  /** Takes vectors out, out of the files too when it is closed; ids that are not there are passed over. @returns how many were there */
  remove(ids: readonly number[]): Promise<number>;
  /**
   * The nearest by cosine, best first, equal ones by id. How many of the true k nearest an index finds is its
   * recall; what it returns is measured exactly.
   *
   * @param vector - `dimension` numbers, of any length but zero
   * @throws RangeError for a vector of another dimension, of length zero, or with numbers that are not finite
   */
  search(vector: Float32Array, options: KnnSearchOptions): Promise<readonly KnnHit[]>;
  /** All that are at least so near, as `search` orders them. @throws RangeError as `search` */
  searchRange(vector: Float32Array, options: KnnRangeOptions): Promise<readonly KnnHit[]>;
  /** Stored vectors, L2-normalised, of those ids that are there. */
  fetch(ids: readonly number[]): Promise<ReadonlyMap<number, Float32Array>>;
  stats(): Promise<KnnStats>;
  /** Writes what is still to be written and lets go of all files and threads. */
  close(): Promise<void>;
}

export interface KnnBuildOptions {
  readonly dimension: number;
  /** Rows to come, as far as known: the parameters are chosen by it. */
  readonly rows: number;
  /** Of the stored vectors. @default 'float32' */
  readonly precision?: KnnPrecision;
  /** What the build may hold in memory, about; engines that hold everything pass it over. @default the engine's */
  readonly memoryBytes?: number;
  /** Threads for training. @default 2 */
  readonly threads?: number;
  /** Ends the build with the signal's reason. @default none */
  readonly signal?: AbortSignal;
  /** Called with what part of the work after the last batch is done, 0 to 1. @default none */
  readonly onProgress?: (share: number) => void;
}

export interface KnnOpenOptions {
  /** Whether `add` and `remove` are refused; any number of processes may then have it open. @default true */
  readonly readOnly?: boolean;
  /**
   * Threads that search, so that the caller's is free meanwhile; engines that have none pass it over.
   * @default 0: a search runs on the caller's thread
   */
  readonly threads?: number;
}

/** A kind of index. `path` is a folder of this machine that is the index's own. */
export interface KnnEngine {
  readonly name: KnnEngineName;
  /**
   * Makes an index in `path`, which must not exist, and closes it.
   * Memory: one batch and what the engine keeps while it trains.
   */
  build(path: string, options: KnnBuildOptions, batches: AsyncIterable<KnnBatch>): Promise<KnnStats>;
  /**
   * Makes `effort` times what a search of the index looks at what it looks at from now on; engines that look at everything
   * have nothing to change. Of the files it reads and writes the layout alone.
   *
   * @returns the parameters as they are then
   * @throws GleanerError DAMAGED where `path` holds no index of this engine
   */
  setEffort(path: string, effort: number): Promise<KnnStats['parameters']>;
  /** @throws GleanerError DAMAGED where `path` holds no index of this engine */
  open(path: string, options?: KnnOpenOptions): Promise<KnnIndex>;
}
