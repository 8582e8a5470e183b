import type { Provider } from '../../../clip/index.ts';
import { runStorage, type TaskEnvironment } from '../../../pipeline/index.ts';
import { GleanerError } from '../../../schema/index.ts';
import type { Storage } from '../../../storage/index.ts';
import type { Database } from '../database.ts';
import { localBundles, localRun } from '../fleet-spec.ts';
import { TaskPacker } from '../pack-task.ts';
import { readRunOf } from '../run-row.ts';
import type { BundleCache } from './bundle-cache.ts';

/** A run as this machine works on it. */
export interface RunCopy {
  readonly id: string;
  readonly fingerprint: string;
  readonly storage: Storage;
  readonly packer: TaskPacker;
  readonly environment: Omit<TaskEnvironment, 'share'>;
  /** Whether its networks run here. @throws GleanerError PROVIDER_FAILED */
  canScore(): Promise<void>;
}

/**
 * Brings a run to this machine: what it is made of, from the database, and its lists, its model and the like, from its storage.
 *
 * @throws GleanerError DAMAGED; RUN_UNSEEN; of the storage
 */
export async function copyRun(
  database: Database,
  id: string,
  cache: BundleCache,
  signal: AbortSignal,
): Promise<RunCopy> {
  const run = await readRunOf(database, id);
  const { fingerprint, location } = run;
  const storage = runStorage(location);
  // A folder that is not mounted here would be made, and filled, for nobody.
  if ((await storage.size('run.json')) === undefined)
    throw new GleanerError('RUN_UNSEEN', { path: location });
  for (const bundle of localBundles(run.spec)) await cache.bring(storage, bundle, signal);
  const spec = localRun(run.spec, location, (bundle) => cache.pathOf(bundle));
  let scores: Promise<void> | undefined;
  return {
    ...{ id, fingerprint, storage },
    canScore() {
      scores ??= tryProvider(spec.provider ?? 'cpu');
      return scores;
    },
    packer: new TaskPacker(storage),
    environment: { spec, root: location, fingerprint, given: run.spec.recipe },
  };
}

async function tryProvider(provider: Provider): Promise<void> {
  if (provider === 'cpu') return;
  const { chooseProvider } = await import('../../../clip/index.ts');
  await chooseProvider(provider);
}
