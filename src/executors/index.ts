export { type DiffRunsOptions, diffRuns, type RunsDiff } from './diff.ts';
export { type AddToIndexOptions, addToIndex } from './index-add.ts';
export { type IndexPlan, type IndexRunOptions, indexRun } from './index-run.ts';
export { type LocalExecutorOptions, localExecutor } from './local.ts';
export { type LocalRemoval, type RemoveLocallyOptions, removeLocally } from './remove.ts';
export { type RetryRunOptions, retryRunLocally } from './retry.ts';
export { type NamedRun, type RunLocallyOptions, runLocally } from './run.ts';
export { type SplitRunOptions, type SplitSummary, splitRun } from './split.ts';
export { type SubsetOptions, subsetRun } from './subset.ts';
