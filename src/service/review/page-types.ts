// What the review page and its service say to each other. Types only: the page is built from this file too.
import type { Answers } from '../../stages/review/judgement.ts';

export type { Agreement } from '../../stages/review/agreement.ts';
export type { Amount, Estimate } from '../../stages/review/estimate.ts';
export type { Estimated, Interval } from '../../stages/review/interval.ts';
export type { Answer, Answers } from '../../stages/review/judgement.ts';
export type { FlagReport, ReviewReport } from '../../stages/review/report.ts';

export interface PageReview {
  /** Name of the folder of the run. */
  readonly name: string;
  readonly rows: number;
  readonly reviewer: string;
  /** What this reviewer said of each sample, in the order of judging; null where nothing yet. */
  readonly answers: readonly (Answers | null)[];
}

/** A pair to judge. Neither similarity nor class: who knows them does not judge the picture alone. */
export interface PageSample {
  readonly uid: string;
  readonly text: string;
  readonly url: string;
  readonly pageUrl: string;
  /** Whether a class or tag warns of the picture: it is blurred until the reviewer wants to see it. */
  readonly isFlagged: boolean;
}

/** Body of POST /api/judgements. */
export interface PageJudgement {
  /** Place in the order of judging, and the pair that the page has there. */
  readonly place: number;
  readonly uid: string;
  /** null takes the judgement back. */
  readonly answers: Answers | null;
}
