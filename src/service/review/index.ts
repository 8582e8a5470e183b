export {
  type ReportRunOptions,
  type ReviewRunOptions,
  type ReviewService,
  reportReview,
  reviewRun,
} from './review-run.ts';
