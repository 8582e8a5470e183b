/** gleaner as a library: a whole run, its index and its service. The rooms have entries of their own, as 'gleaner/formats'. */
export {
  builtInRecipes,
  GLEANER_VERSION,
  loadRecipe,
  type Recipe,
  type RecipeInput,
} from './config/index.ts';
export {
  type IndexRunOptions,
  indexRun,
  type RemoveLocallyOptions as RemoveOptions,
  type RetryRunOptions as RetryOptions,
  type RunLocallyOptions as RunOptions,
  removeLocally as remove,
  retryRunLocally as retry,
  runLocally as run,
} from './executors/index.ts';
export {
  explainPair,
  type Fate,
  type Removal,
  type StageProgress,
  type Verification,
  verifyRun,
} from './pipeline/index.ts';
export * from './schema/index.ts';
export { type ServeRunOptions, type Service, serveRun as serve } from './service/index.ts';
export { formatFunnel, parseStatistics, readStatistics, type Statistics } from './stages/report/index.ts';
export { fileStorage } from './storage/index.ts';
