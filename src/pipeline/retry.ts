import { GleanerError, type Reason } from '../schema/index.ts';
import { collected, mapOrdered } from '../stages/ordered.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import { lockRoot } from './lock.ts';
import { finishedManifest, looksAtOnce, type Manifest, readManifests } from './manifest.ts';
import { type Finished, harvestFolder, planStage } from './plan.ts';
import { endRelease, type RunOptions, runStage, runTasks, type Signalled } from './run.ts';
import { beginRun, runFingerprint } from './run-file.ts';
import { stagedRelease } from './staged-release.ts';
import { STAGES, type StageName, taskFingerprint } from './task.ts';

export interface RetryStagesOptions extends Omit<RunOptions, 'until'> {
  /** What is fetched again: pairs that harvest dropped for one of these. */
  readonly reasons: readonly Reason[];
}

/** What has to be done before anything is fetched again. */
const BEFORE = ['extract', 'dedup', 'harvest'] as const satisfies readonly StageName[];
const AFTER = STAGES.slice(STAGES.indexOf('harvest') + 1);

/**
 * Fetches again what a run's harvest dropped for some reasons, and makes the release anew of what has changed: it
 * becomes what one good run gives, byte for byte. A shard takes the place of the one before by its manifest: stopped
 * at any moment, the run is whole but for its release, and the same call goes on.
 *
 * @throws GleanerError RUN_UNFINISHED where the harvest is not done, RUN_MISMATCH, RUN_LOCKED, and what tasks throw
 */
export async function retryStages(options: RetryStagesOptions): Promise<Finished> {
  const { spec } = options;
  const files = openStorage(options.root);
  const lock = await lockRoot(files);
  const signal = AbortSignal.any([lock.lost, ...(options.signal ? [options.signal] : [])]);
  try {
    const storage = stagedRelease(files);
    await beginRun(storage, spec);
    await storage.sweep();
    const signalled: Signalled = { ...options, signal };
    const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
    for (const stage of BEFORE) finished[stage] = await finishedStage(stage, storage, finished, options);
    // What was fetched apart counts as what it was; what is asked for again is harvested as it comes.
    finished.fetch = await readManifests(storage, 'fetch');
    finished.harvest = await retryHarvest(storage, finished, signalled, options.reasons);
    for (const stage of AFTER) finished[stage] = await runStage(stage, storage, finished, signalled);
    await endRelease(storage, finished);
    return finished;
  } finally {
    await lock.release();
  }
}

async function retryHarvest(
  storage: Storage,
  finished: Finished,
  options: Signalled,
  reasons: readonly Reason[],
): Promise<readonly Manifest[]> {
  const manifests = [...(finished.harvest ?? [])];
  const { fetch: _, ...others } = finished;
  const tasks = planStage('harvest', options.spec, others);
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
  const found = mapOrdered(tasks, looksAtOnce(storage), (task) =>
    finishedManifest(storage, stage, task.index, taskFingerprint(run, task)),
  );
  const manifests = (await collected(found)).filter((manifest) => manifest !== undefined);
  if (manifests.length < tasks.length)
    throw new GleanerError('RUN_UNFINISHED', {
      path: storage.location,
      stage,
      done: manifests.length,
      tasks: tasks.length,
    });
  return manifests;
}
