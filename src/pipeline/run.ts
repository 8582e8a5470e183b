import { collected, mapOrdered } from '../stages/ordered.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import { removeFetched, removeStrayFetched } from './fetched-apart.ts';
import { lockRoot } from './lock.ts';
import { finishedManifest, looksAtOnce, type Manifest, readManifests } from './manifest.ts';
import { type Finished, planStage, strayHarvests } from './plan.ts';
import { beginRun, type RunSpec, readRunFile, runFingerprint, withKeptCard } from './run-file.ts';
import type { TaskEnvironment, TaskHooks } from './run-task.ts';
import { settleRelease, stagedRelease } from './staged-release.ts';
import { STAGES, type StageName, type Task, taskFingerprint } from './task.ts';

/** Runs tasks somewhere: in threads of this process, or on other machines. */
export interface Executor {
  /**
   * Runs tasks of one stage, each to its manifest.
   *
   * @param onDone called with the manifest of each task as it ends
   * @throws the first error of a task; the others are stopped then
   */
  execute(
    tasks: readonly Task[],
    environment: Omit<TaskEnvironment, 'share'>,
    hooks: TaskHooks,
    onDone: (manifest: Manifest) => void,
  ): Promise<void>;
}

/** What is known of a stage while it runs. */
export interface StageProgress {
  readonly stage: StageName;
  readonly tasks: number;
  /** Tasks done, those of earlier starts included. */
  readonly tasksDone: number;
  /** Tasks that an earlier start had done. */
  readonly doneBefore: number;
  /** Things (links, pairs, rows, files) done since this start. */
  readonly done: number;
  /** Share of this start's work that is done, 0 to 1. */
  readonly share: number;
  /** Seconds since this start of the stage. */
  readonly seconds: number;
  readonly finished: boolean;
}

export interface RunOptions {
  /** Folder of the run, or s3://BUCKET/PREFIX. */
  readonly root: string;
  readonly spec: RunSpec;
  /** Of the run, where `spec` is only what its folder tells of it. @default that of `spec` */
  readonly fingerprint?: string;
  readonly executor: Executor;
  /** The last stage to run. @default 'report', the whole run */
  readonly until?: StageName;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/**
 * Runs a recipe stage by stage, or goes on where an earlier start was stopped: tasks with a valid manifest are not
 * run again, and what killed tasks left half-written is swept away first.
 *
 * @throws GleanerError RUN_MISMATCH, RUN_LOCKED, and what tasks throw
 */
export async function runStages(options: RunOptions): Promise<Finished> {
  const files = openStorage(options.root);
  const lock = await lockRoot(files);
  const signal = AbortSignal.any([lock.lost, ...(options.signal ? [options.signal] : [])]);
  try {
    const storage = stagedRelease(files);
    const spec = await withKeptCard(storage, options.spec);
    await beginRun(storage, spec);
    await storage.sweep();
    const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
    for (const stage of STAGES) {
      signal.throwIfAborted();
      finished[stage] = await runStage(stage, storage, finished, { ...options, spec, signal });
      if (stage === options.until) return finished;
    }
    await endRelease(storage, finished);
    return finished;
  } finally {
    await lock.release();
  }
}

export type Signalled = RunOptions & { readonly signal: AbortSignal };

/** Runs what is not done of a stage. @returns the manifests of all its tasks */
export async function runStage(
  stage: StageName,
  storage: Storage,
  finished: Finished,
  options: Signalled,
): Promise<readonly Manifest[]> {
  const { spec } = options;
  const run = options.fingerprint ?? runFingerprint(spec);
  const tasks = planStage(stage, spec, finished);
  const manifests = await collected(
    mapOrdered(tasks, looksAtOnce(storage), (task) =>
      finishedManifest(storage, stage, task.index, taskFingerprint(run, task)),
    ),
  );
  const open = tasks.filter((task) => !manifests[task.index]);
  const done = await runTasks(stage, storage, manifests, open, options);
  if (stage === 'harvest' && !spec.keepFetched) await removeFetched(storage);
  return done;
}

/**
 * Runs tasks of a stage.
 * @param before manifests of all its tasks, undefined where one is not done
 * @param open tasks to run, be they done or not
 * @returns the manifests of all, those of the tasks run among them
 */
export async function runTasks(
  stage: StageName,
  storage: Storage,
  before: readonly (Manifest | undefined)[],
  open: readonly Task[],
  options: Signalled,
): Promise<readonly Manifest[]> {
  const { spec, root, executor, signal, fingerprint } = options;
  const manifests = [...before];
  if (stage === 'harvest') await removeStrayHarvests(storage, manifests);
  if (stage === 'fetch') await removeStrayFetched(storage, manifests);
  const meter = new Meter(stage, manifests.length, open, options.onProgress);
  if (open.length > 0) {
    try {
      await executor.execute(
        open,
        { spec, root, ...(fingerprint !== undefined && { fingerprint }) },
        { signal, progress: (done) => meter.progress(done), read: (bytes) => meter.read(bytes) },
        (manifest) => {
          manifests[Number(manifest.task.split('/')[1])] = manifest;
          meter.taskDone();
        },
      );
    } catch (error) {
      // Tasks that were stopped beside the one that failed leave what they had written: on a full disk it is in the way.
      // That they cannot be removed now either is not what is to be told.
      await storage.sweep().catch(() => undefined);
      throw error;
    }
    // What attempts left whose process an image ended, and shards that a retry has replaced.
    if (stage === 'harvest') {
      await storage.sweep();
      await removeStrayHarvests(storage, manifests);
    }
  }
  meter.finish();
  return manifests.map((manifest, i) => {
    if (!manifest) throw new Error(`${stage}/${i} was not run`);
    return manifest;
  });
}

/** Removes folders of harvested shards that no manifest names. */
export async function removeStrayHarvests(
  storage: Storage,
  manifests: readonly (Manifest | undefined)[],
): Promise<void> {
  const kept = manifests.filter((manifest) => manifest !== undefined);
  for (const folder of strayHarvests(await storage.list('harvest'), kept)) await storage.remove(folder);
}

/** Puts the release that was made in its place: its folders hold what manifests name, no more. */
export async function endRelease(storage: Storage, finished: Finished): Promise<void> {
  const { near = [], release = [], trail = [], report = [] } = finished;
  const made = [near, release, trail, report].flat();
  const named = new Set(made.flatMap((manifest) => manifest.files.map(({ path }) => path)));
  await settleRelease(storage, named);
  if (!(await readRunFile(storage))?.keepFetched) await removeFetched(storage);
  for (const folder of ['near', 'dropped/near'])
    for (const path of await storage.list(folder)) if (!named.has(path)) await storage.remove(path);
  for (const stage of STAGES)
    for (const manifest of (await readManifests(storage, stage)).slice(finished[stage]?.length ?? 0))
      await storage.remove(`tasks/${manifest.task}.json`);
}

/** Counts what tasks report, and passes it on at most ten times a second. */
class Meter {
  static readonly #INTERVAL_MS = 100;
  readonly #began = performance.now();
  readonly #stage: StageName;
  readonly #tasks: number;
  readonly #open: number;
  readonly #work: number;
  readonly #report: ((progress: StageProgress) => void) | undefined;
  #tasksDone = 0;
  #done = 0;
  #read = 0;
  #reported = 0;

  constructor(stage: StageName, tasks: number, open: readonly Task[], report: RunOptions['onProgress']) {
    this.#stage = stage;
    this.#tasks = tasks;
    this.#open = open.length;
    this.#work = open.reduce((sum, task) => sum + workOf(task), 0);
    this.#report = report;
    this.#emit(false);
  }

  progress(done: number): void {
    this.#done += done;
    this.#emitSometimes();
  }

  read(bytes: number): void {
    this.#read += bytes;
    this.#emitSometimes();
  }

  taskDone(): void {
    this.#tasksDone++;
    this.#emit(false);
  }

  finish(): void {
    this.#emit(true);
  }

  #emitSometimes(): void {
    if (performance.now() - this.#reported >= Meter.#INTERVAL_MS) this.#emit(false);
  }

  #emit(finished: boolean): void {
    // A stage that this run does not have.
    if (this.#tasks === 0) return;
    this.#reported = performance.now();
    const work = this.#stage === 'extract' ? this.#read : this.#done;
    const byTasks = this.#open === 0 ? 1 : this.#tasksDone / this.#open;
    this.#report?.({
      stage: this.#stage,
      tasks: this.#tasks,
      tasksDone: this.#tasks - this.#open + this.#tasksDone,
      doneBefore: this.#tasks - this.#open,
      done: this.#done,
      share: finished ? 1 : this.#work > 0 ? Math.min(1, work / this.#work) : byTasks,
      seconds: (this.#reported - this.#began) / 1000,
      finished,
    });
  }
}

/** How much there is to do, in what the stage's progress counts; 0 where it is not known before. */
function workOf(task: Task): number {
  switch (task.stage) {
    case 'extract':
      return task.wat.bytes;
    case 'fetch':
    case 'harvest':
    case 'release':
      return task.rowEnd - task.rowStart;
    case 'near': {
      // All rows are gone through for each criterion, and before that to bring them in order.
      const { sameBytes, samePicture, sameMeaning } = task.rules;
      const times = 1 + [sameBytes, samePicture, sameMeaning].filter(Boolean).length;
      return times * task.shards.reduce((sum, { rows }) => sum + rows, 0);
    }
    case 'select':
      return task.rows;
    case 'trail':
      return task.dropped.length + (task.inherited?.length ?? 0);
    default:
      return 0;
  }
}
