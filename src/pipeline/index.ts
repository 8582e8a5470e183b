export { type RunLedgers, runLedgers } from './accounting.ts';
export { remakeCard } from './card.ts';
export { runCosts } from './costs.ts';
export { CpuMeter } from './cpu-meter.ts';
export { COMMON_CRAWL, type CrawlSelection, crawlInputs } from './crawl.ts';
export { dedupPairs } from './dedup-pairs.ts';
export { explainPair, type Fate } from './explain.ts';
export { explainRemoved, type Removed } from './explain-removed.ts';
export { type StepOfFate, stepsOfFate } from './explain-steps.ts';
export { openInputs } from './inputs.ts';
export { lockFolder } from './lock.ts';
export { finishedManifest, looksAtOnce, type Manifest, manifestPath, readManifests } from './manifest.ts';
export { identifySeen, type SeenRun } from './open-seen.ts';
export { type ParentRelease, readParent } from './parent.ts';
export { type Finished, planStage } from './plan.ts';
export { isRemovalUnderWay } from './removal-state.ts';
export { type Removal, type RemovePairsOptions, removePairs } from './remove.ts';
export {
  appendReport,
  closeReports,
  findReports,
  MAX_CONTACT_CHARS,
  MAX_MESSAGE_CHARS,
  REPORT_REASONS,
  REPORTS_FILE,
  type Report,
  readReports,
  takedownsOfReport,
} from './reports.ts';
export { type RetryStagesOptions, retryStages } from './retry.ts';
export {
  type Executor,
  endRelease,
  type RunOptions,
  removeStrayHarvests,
  runStages,
  type StageProgress,
} from './run.ts';
export {
  beginRun,
  type ImagesFrom,
  type RunSpec,
  readRunFile,
  runFingerprint,
  type StoredRun,
  withKeptCard,
} from './run-file.ts';
export { type TaskEnvironment, type TaskHooks, TaskRunner } from './run-task.ts';
export { runStorage } from './staged-release.ts';
export { readTakedownList, type TakedownName, takedownName } from './takedown-list.ts';
export { type InputFile, STAGES, type StageName, type Task, taskFingerprint, taskName } from './task.ts';
export { namedTombstones } from './tombstones.ts';
export { type Verification, verifyRun } from './verify.ts';
