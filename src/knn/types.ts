/** What a vector can be filtered by: the columns of the released metadata that a search asks for. */
export interface KnnFields {
  /** UNLIKELY, UNSURE or NSFW. */
  readonly nsfw: string;
  /** Pixels of the image as published. */
  readonly width: number;
  readonly height: number;
  /** Cosine of the image and its text, -1 to 1. */
  readonly similarity: number;
  /** ISO 639-1 code, or 'und'. */
  readonly language: string;
  /** URL of a licence, or '?'. */
  readonly license: string;
}

/** Vectors on their way into an index. Row i of `vectors` has id `ids[i]` and fields `fields[i]`. */
export interface KnnBatch {
  /** Whole numbers from 0 up: SAMPLE_IDs. */
  readonly ids: readonly number[];
  /** `ids.length` × dimension, row after row. Need not be normalised: the index does it. */
  readonly vectors: Float32Array;
  readonly fields: readonly KnnFields[];
}

/** Both ends belong to the range. */
export interface KnnRange {
  /** @default no lower end */
  readonly min?: number;
  /** @default no upper end */
  readonly max?: number;
}

/** All conditions have to hold. A list holds where the field is one of its values; an empty list never does. */
export interface KnnFilter {
  readonly nsfw?: readonly string[];
  readonly language?: readonly string[];
  readonly license?: readonly string[];
  readonly width?: KnnRange;
  readonly height?: KnnRange;
  readonly similarity?: KnnRange;
}

export interface KnnSearchOptions {
  /** Hits wanted; fewer come where fewer fit. */
  readonly k: number;
  /** @default none */
  readonly filter?: KnnFilter;
  /** Whether hits carry their vectors. @default false */
  readonly vectors?: boolean;
}

export interface KnnHit {
  readonly id: number;
  /** Inner product of the normalised float32 vectors, added up in double precision; -1 to 1 but for rounding. */
  readonly cosine: number;
  /** The stored vector, L2-normalised, where it was asked for. */
  readonly vector?: Float32Array;
}

export interface KnnStats {
  readonly engine: KnnEngineName;
  /** Of the engine that made the index, as '0.7.0'. */
  readonly version: string;
  readonly rows: number;
  readonly dimension: number;
  /** What the index is and how it is searched, as `{ index: 'ivf_rabitq', nList: 512, nProbe: 32 }`. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

export type KnnEngineName = 'zvec' | 'exact';

/** An open index. Every method rejects after `close`. */
export interface KnnIndex {
  readonly dimension: number;
  /** Adds vectors; one whose id is there already takes its place. Found by the next search. */
  add(batch: KnnBatch): Promise<void>;
  /** Takes vectors out; ids that are not there are passed over. @returns how many were there */
  remove(ids: readonly number[]): Promise<number>;
  /**
   * The nearest by cosine, best first, equal ones by id. How many of the true k nearest an index finds is its
   * recall; what it returns is measured exactly.
   *
   * @param vector - `dimension` numbers, of any length but zero
   * @throws RangeError for a vector of another dimension, of length zero, or with numbers that are not finite
   */
  search(vector: Float32Array, options: KnnSearchOptions): Promise<readonly KnnHit[]>;
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
  /** Threads for training. @default 2 */
  readonly threads?: number;
  /** Ends the build with the signal's reason. @default none */
  readonly signal?: AbortSignal;
}

export interface KnnOpenOptions {
  /** Whether `add` and `remove` are refused; any number of processes may then have it open. @default true */
  readonly readOnly?: boolean;
}

/** A kind of index. `path` is a folder of this machine that is the index's own. */
export interface KnnEngine {
  readonly name: KnnEngineName;
  /**
   * Makes an index in `path`, which must not exist, and closes it.
   * Memory: one batch and what the engine keeps while it trains.
   */
  build(path: string, options: KnnBuildOptions, batches: AsyncIterable<KnnBatch>): Promise<KnnStats>;
  /** @throws GleanerError DAMAGED where `path` holds no index of this engine */
  open(path: string, options?: KnnOpenOptions): Promise<KnnIndex>;
}
