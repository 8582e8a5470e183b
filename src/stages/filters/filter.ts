import type { Dropped } from '../../schema/index.ts';

/** What a filter sees of a pair. */
export interface Candidate {
  /** Absolute, http or https, without fragment. */
  readonly url: string;
  readonly text: string;
}

/** Says why a pair is dropped, or undefined where it passes. */
export type PairFilter = (pair: Candidate) => Dropped | undefined;
