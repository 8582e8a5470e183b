import {
  formatTombstones,
  type RemovedPair,
  type Takedown,
  TOMBSTONES_FILE,
  type TombstoneList,
  Tombstones,
} from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import { removeFetchedOf } from './fetched-apart.ts';
import { findNamed } from './find-named.ts';
import { lockRoot } from './lock.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { planStage } from './plan.ts';
import { isRemovalUnderWay, UNDER_WAY } from './removal-state.ts';
import { finishReplacement } from './replacement.ts';
import { type Executor, endRelease, type RunOptions, removeStrayHarvests, runStage } from './run.ts';
import { type RunSpec, readRunFile, type StoredRun, storedFingerprint } from './run-file.ts';
import { scrubRun } from './scrub-run.ts';
import { isReleaseStaged, stagedRelease } from './staged-release.ts';
import { STAGES, type StageName } from './task.ts';
import { runTombstones } from './tombstones.ts';

/** The search index of a run, as far as a takedown has to do with it. */
export interface IndexOfRun {
  /** Takes pairs out of what searches find, at once, a running service's too. Called before anything else is changed. */
  hide(tombstones: Tombstones): Promise<void>;
  /** Makes the index that of the release as it is now. Called at the end. */
  follow(): Promise<void>;
}

export interface RemovePairsOptions {
  /** Folder of the run. */
  readonly root: string;
  /** What is to be taken down; what was taken down before is passed over. None: what was begun is ended. */
  readonly takedowns: readonly Pick<Takedown, 'kind' | 'hash'>[];
  readonly reason: string;
  /** When, ISO 8601. */
  readonly at: string;
  /** Only says what would go. @default false */
  readonly dryRun?: boolean;
  readonly index: IndexOfRun;
  readonly executor: Executor;
  readonly signal?: AbortSignal;
  readonly onProgress?: RunOptions['onProgress'];
}

/** What a takedown did. */
export interface Removal {
  /** What was not taken down before. */
  readonly takedowns: readonly Takedown[];
  /** Pairs that these name. */
  readonly pairs: readonly RemovedPair[];
  /** Those of them that were in the release, or would have been. */
  readonly kept: number;
}

/**
 * Takes pairs down from a run: tombstones first, which from then on every start of the run, every later run that is told
 * of it, and a running service honour; then searches, then all files with anything of the pairs, then the parts of the
 * release that had them. The others keep order and SAMPLE_IDs. Killed at any moment, the same call, or one without
 * takedowns, ends it.
 *
 * @throws GleanerError RUN_NOT_FOUND, RUN_LOCKED, RUN_UNFINISHED, RELEASE_UNFINISHED, DAMAGED, USAGE of a subset, and what tasks of the release throw
 */
export async function removePairs(options: RemovePairsOptions): Promise<Removal> {
  const { root, reason, at, dryRun = false } = options;
  const storage = openStorage(root);
  const stored = await readRunFile(storage);
  if (!stored) throw noRun(root);
  if (stored.subset) throw subsetOf(root, stored.subset.parent);
  const lock = await lockRoot(storage);
  try {
    await finishReplacement(storage);
    await refuseUnfinished(storage, stored);
    const begun = await isRemovalUnderWay(storage);
    if (!begun && (await isReleaseStaged(storage)))
      throw new GleanerError('RELEASE_UNFINISHED', { path: root });
    const before = await runTombstones(storage);
    const takedowns = newTakedowns(before, options);
    if (dryRun) return summary(takedowns, await findNamed(storage, takedowns, { reason, at }));
    if (takedowns.length === 0 && !begun) return summary([], []);
    if (!begun) await storage.put(UNDER_WAY, '{}\n');
    // First of all nobody finds them any more; to look through all that the run works with takes its time.
    const asked = { takedowns: [...before.takedowns, ...takedowns], pairs: before.pairs };
    await storage.put(TOMBSTONES_FILE, formatTombstones(asked));
    await options.index.hide(new Tombstones(asked));
    // Of one that was stopped it is not known which of its pairs were found.
    const grounds = takedowns.length > 0 ? { reason, at } : (before.takedowns.at(-1) ?? { reason, at });
    const found = await findNamed(storage, begun ? asked.takedowns : takedowns, grounds);
    const gone = new Set(before.pairs.map(({ uid }) => uid));
    const pairs = found.filter(({ uid }) => !gone.has(uid));
    const now = { takedowns: asked.takedowns, pairs: [...before.pairs, ...pairs] };
    await storage.put(TOMBSTONES_FILE, formatTombstones(now));
    const signal = AbortSignal.any([lock.lost, ...(options.signal ? [options.signal] : [])]);
    await apply(storage, stored, new Tombstones(now), { ...options, signal });
    await storage.remove(UNDER_WAY);
    return summary(takedowns, pairs);
  } finally {
    await lock.release();
  }
}

/** What is asked for and was not taken down before, each once. */
function newTakedowns(
  before: TombstoneList,
  { takedowns, reason, at }: Pick<RemovePairsOptions, 'takedowns' | 'reason' | 'at'>,
): Takedown[] {
  const named = ({ kind, hash }: Pick<Takedown, 'kind' | 'hash'>) => `${kind} ${hash}`;
  const known = new Set(before.takedowns.map(named));
  const fresh = new Map(takedowns.filter((one) => !known.has(named(one))).map((one) => [named(one), one]));
  return [...fresh.values()].map(({ kind, hash }) => ({ kind, hash, reason, at }));
}

function summary(takedowns: readonly Takedown[], pairs: readonly RemovedPair[]): Removal {
  return { takedowns, pairs, kept: pairs.filter(({ sha256 }) => sha256 !== null).length };
}

/** A release can be made anew only of a harvest that is whole. @throws GleanerError RUN_UNFINISHED */
async function refuseUnfinished(storage: Storage, stored: StoredRun): Promise<void> {
  if ((await storage.list('release')).length === 0) return;
  const [dedup, harvest] = [await readManifests(storage, 'dedup'), await readManifests(storage, 'harvest')];
  const tasks = planStage('harvest', specOf(stored), { dedup }).length;
  if (harvest.length < tasks)
    throw new GleanerError('RUN_UNFINISHED', {
      path: storage.location,
      stage: 'harvest',
      done: harvest.length,
      tasks,
    });
}

/** A run as its folder tells of it: enough to plan it, and to make its release. */
function specOf({ subset: _, ...stored }: StoredRun): RunSpec {
  return { ...stored, categories: null, blocklists: {} };
}

/** Its release is made of the parent's, which may be elsewhere by now. */
function subsetOf(path: string, parent: string): GleanerError {
  return new GleanerError('USAGE', {
    problem: `${path} is a subset. Take it down from ${parent}, of which it was made, then make the subset again: what is taken down there is in no subset.`,
  });
}

function noRun(path: string): GleanerError {
  return new GleanerError('RUN_NOT_FOUND', {
    path,
    what: 'run',
    hint: "Give the --out of 'gleaner run'.",
  });
}

/** Makes a run what its tombstones say; what is so already is left alone. */
async function apply(
  storage: Storage,
  stored: StoredRun,
  tombstones: Tombstones,
  options: RemovePairsOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { root, index, executor, onProgress, signal } = options;
  await index.hide(tombstones);
  // A review draws its sample anew; judgements name pairs by their uid alone.
  await storage.remove('review/sample.json');
  await storage.sweep();
  await removeStrayHarvests(storage, await readManifests(storage, 'harvest'));
  const spec = specOf(stored);
  const fingerprint = storedFingerprint(stored);
  await removeFetchedOf(storage, tombstones);
  await scrubRun(storage, spec, fingerprint, tombstones, signal);
  // A run that has not come to its release has none to make anew.
  if ((await storage.list('release')).length > 0) {
    const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
    const released = stagedRelease(storage);
    const run = { root, spec, fingerprint, executor, signal, ...(onProgress && { onProgress }) };
    for (const stage of STAGES)
      finished[stage] =
        STAGES.indexOf(stage) < STAGES.indexOf('release')
          ? await readManifests(storage, stage)
          : await runStage(stage, released, finished, run);
    await endRelease(released, finished);
  }
  await index.follow();
}
