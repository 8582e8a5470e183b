import { GleanerError, type Reason } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { lockFolder } from './lock.ts';
import { finishedManifest, type Manifest } from './manifest.ts';
import { type Finished, harvestFolder, planStage } from './plan.ts';
import { endRelease, type RunOptions, runStage, runTasks, type Signalled } from './run.ts';
import { beginRun, runFingerprint } from './run-file.ts';
import { runStorage } from './staged-release.ts';
import { STAGES, type StageName, taskFingerprint } from './task.ts';

export interface RetryStagesOptions extends Omit<RunOptions, 'until'> {
  /** What is fetched again: pairs that harvest dropped for one of these. */
  readonly reasons: readonly Reason[];
}

/** What has to be done before anything is fetched again. */
const BEFORE = ['extract', 'dedup', 'harvest'] as const satisfies readonly StageName[];

/**
 * Fetches again what a run's harvest dropped for some reasons, and makes the release anew of what has changed: it
 * becomes what one good run gives, byte for byte. A shard takes the place of the one before by its manifest: stopped
 * at any moment, the run is whole but for its release, and the same call goes on.
 *
 * @throws GleanerError RUN_UNFINISHED where the harvest is not done, RUN_MISMATCH, RUN_LOCKED, and what tasks throw
 */
export async function retryStages(options: RetryStagesOptions): Promise<Finished> {
  const { root, spec, signal = new AbortController().signal } = options;
  const unlock = await lockFolder(root);
  try {
    const storage = runStorage(root);
    await beginRun(storage, spec);
    await storage.sweep();
    const signalled: Signalled = { ...options, signal };
    const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
    for (const stage of BEFORE) finished[stage] = await finishedStage(stage, storage, finished, options);
    finished.harvest = await retryHarvest(storage, finished, signalled, options.reasons);
    for (const stage of STAGES.slice(BEFORE.length))
      finished[stage] = await runStage(stage, storage, finished, signalled);
    await endRelease(storage, finished);
    return finished;
  } finally {
    await unlock();
  }
}

async function retryHarvest(
  storage: Storage,
  finished: Finished,
  options: Signalled,
  reasons: readonly Reason[],
): Promise<readonly Manifest[]> {
  const manifests = [...(finished.harvest ?? [])];
  const tasks = planStage('harvest', options.spec, finished);
  const open = tasks.flatMap((task) => {
    const manifest = manifests[task.index];
    if (task.stage !== 'harvest' || !manifest || !lost(manifest, reasons)) return [];
    return [{ ...task, past: { folder: harvestFolder(manifest), reasons } }];
  });
  return runTasks('harvest', storage, manifests, open, options);
}

/** Whether a shard dropped a pair for one of these reasons. */
function lost({ ledgers }: Manifest, reasons: readonly Reason[]): boolean {
  return Object.values(ledgers).some((ledger) => reasons.some((reason) => ledger.dropped[reason]));
}

/** The manifests of a stage of which all is done. */
async function finishedStage(
  stage: StageName,
  storage: Storage,
  finished: Finished,
  { spec }: RetryStagesOptions,
): Promise<readonly Manifest[]> {
  const run = runFingerprint(spec);
  const tasks = planStage(stage, spec, finished);
  const manifests: Manifest[] = [];
  for (const task of tasks) {
    const manifest = await finishedManifest(storage, stage, task.index, taskFingerprint(run, task));
    if (manifest) manifests.push(manifest);
  }
  if (manifests.length < tasks.length)
    throw new GleanerError('RUN_UNFINISHED', {
      path: storage.location,
      stage,
      done: manifests.length,
      tasks: tasks.length,
    });
  return manifests;
}
