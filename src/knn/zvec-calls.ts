import type { KnnBatch, KnnSearchOptions } from './types.ts';
import type { ZvecPlan } from './zvec-plan.ts';

/** What the thread of an index is asked, and what it answers. */
export interface ZvecCalls {
  create: {
    args: { path: string; dimension: number; plan: ZvecPlan; threads: number };
    result: undefined;
  };
  open: { args: { path: string; dimension: number; plan: ZvecPlan; readOnly: boolean }; result: undefined };
  add: { args: KnnBatch; result: undefined };
  train: { args: { threads: number }; result: undefined };
  remove: { args: { ids: readonly number[] }; result: number };
  /** Hits as flat arrays, in order; `vectors` is empty unless asked for. */
  search: { args: { vector: Float32Array; options: KnnSearchOptions }; result: FlatHits };
  fetch: { args: { ids: readonly number[] }; result: { ids: number[]; vectors: Float32Array } };
  rows: { args: undefined; result: number };
  close: { args: undefined; result: undefined };
}
export type ZvecCall = keyof ZvecCalls;

export interface FlatHits {
  readonly ids: number[];
  readonly cosines: Float64Array;
  readonly vectors: Float32Array;
}

export type ZvecRequest = {
  [C in ZvecCall]: { readonly id: number; readonly call: C; readonly args: ZvecCalls[C]['args'] };
}[ZvecCall];

export type ZvecReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly kind: 'range' | 'other'; readonly message: string };
