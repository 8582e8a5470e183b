/** gleaner as a library: a whole run, its index and its service. The rooms have entries of their own, as 'gleaner/formats'. */
export {
  builtInRecipes,
  GLEANER_VERSION,
  loadRecipe,
  type Recipe,
  type RecipeInput,
} from './config/index.ts';
export {
  type AddToIndexOptions,
  addToIndex,
  type DiffRunsOptions,
  diffRuns as diff,
  type IndexRunOptions,
  indexRun,
  type LocalRemoval as Removal,
  type RemoveLocallyOptions as RemoveOptions,
  type RetryRunOptions as RetryOptions,
  type RunLocallyOptions as RunOptions,
  type RunsDiff,
  removeLocally as remove,
  retryRunLocally as retry,
  runLocally as run,
  type SplitRunOptions as SplitOptions,
  type SplitSummary,
  type SubsetOptions,
  splitRun as split,
  subsetRun as subset,
} from './executors/index.ts';
export {
  explainPair,
  type Fate,
  type StageProgress,
  type Verification,
  verifyRun,
} from './pipeline/index.ts';
export * from './schema/index.ts';
export { type ServeRunOptions, type Service, serveRun as serve } from './service/index.ts';
export {
  type ReportRunOptions as ReviewReportOptions,
  type ReviewRunOptions as ReviewOptions,
  type ReviewService,
  reportReview,
  reviewRun as review,
} from './service/review/index.ts';
export { formatFunnel, parseStatistics, readStatistics, type Statistics } from './stages/report/index.ts';
export type { ReviewReport } from './stages/review/index.ts';
export { fileStorage } from './storage/index.ts';
