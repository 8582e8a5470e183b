import type { Ledger } from '../schema/index.ts';
import type { FileInfo, Storage } from '../storage/index.ts';

/** What a stage needs of the run around it. */
export interface StageContext {
  /** The folder of the run: inputs from earlier stages are read here, outputs written here. */
  readonly storage: Storage;
  /** Aborted when the run stops; a stage then ends soon, with an exception. */
  readonly signal: AbortSignal;
  /** Called with the number of things (links, pairs, rows) done since the last call. */
  readonly progress: (done: number) => void;
}

/** What a stage leaves: it is written into the task's manifest. */
export interface StageResult {
  readonly files: readonly FileInfo[];
  /** By step of the funnel, or by what a stage outside of it counts. Each has to balance. */
  readonly ledgers: Readonly<Record<string, Ledger>>;
  /** Numbers that later stages plan by, as rows of each bucket. */
  readonly facts?: Readonly<Record<string, number | string | readonly number[]>>;
}
