export type { Agreement } from './agreement.ts';
export type { Amount, Estimate } from './estimate.ts';
export type { Estimated, Interval } from './interval.ts';
export { type Answers, type Judged, type Judgement, readJudgements, takeJudgement } from './judgement.ts';
export {
  type BandReport,
  type ClassReport,
  type FlagReport,
  type ReviewReport,
  reviewReport,
  type ThresholdReport,
} from './report.ts';
export {
  drawSample,
  type ReviewSample,
  reviewFingerprint,
  SAFE_CLASS,
  type SampleOptions,
  type Sampling,
} from './sample.ts';
