import type { Problem } from './problem.ts';

/** What a supervised process is asked to do: plain data. */
export interface Order {
  readonly index: number;
  /** Rows whose image was worked on when a process died: each is to be worked on alone. */
  readonly suspects: readonly number[];
  /** Rows whose image ended a process, by itself: they are not to be worked on again. */
  readonly fatal: readonly number[];
}

/** What the process is told. */
export type ToProcess<O, E> =
  | { readonly kind: 'begin'; readonly environment: E; readonly journal: string }
  | { readonly kind: 'order'; readonly order: O }
  /** An order is no longer wanted: it fails as soon as it can. */
  | { readonly kind: 'stop'; readonly index: number };

/** What it tells. */
export type FromProcess<R> =
  | { readonly kind: 'alive' }
  | { readonly kind: 'done'; readonly rows: number }
  /** How far it is, for work that is one order: in rows, and 0 to 1. */
  | { readonly kind: 'at'; readonly done: number; readonly share: number }
  | { readonly kind: 'hungry'; readonly index: number }
  /** The environment cannot be: what a user has to mend. */
  | ({ readonly kind: 'refused' } & Problem)
  | { readonly kind: 'ended'; readonly index: number; readonly result: R }
  /** It ends itself, for a reason that its exit does not tell. */
  | { readonly kind: 'stuck'; readonly problem: string }
  | ({ readonly kind: 'failed'; readonly index: number } & Problem);
