import type { Db } from 'pg-boss';
import {
  endRelease,
  type Finished,
  finishedManifest,
  looksAtOnce,
  type Manifest,
  manifestPath,
  planStage,
  readManifests,
  removeStrayHarvests,
  runStorage,
  STAGES,
  type StageName,
  type Task,
  taskFingerprint,
} from '../../pipeline/index.ts';
import { mapOrdered } from '../../stages/ordered.ts';
import type { Storage } from '../../storage/index.ts';
import type { Database, Sql } from './database.ts';
import { submittedRun } from './fleet-spec.ts';
import { jobId } from './ids.ts';
import { TaskPacker } from './pack-task.ts';
import { queueOf } from './queues.ts';
import type { FleetRun } from './run-row.ts';
import { GROUP_TASKS, type PackedTask, type StagePart, sendGroup } from './send-group.ts';
import type { JobData } from './task-queue.ts';

/** The stages whose manifests a stage is planned by. */
const NEEDS: Readonly<Record<StageName, readonly StageName[]>> = {
  extract: [],
  dedup: ['extract'],
  fetch: ['dedup'],
  harvest: ['dedup', 'fetch'],
  near: ['harvest'],
  select: [],
  release: ['harvest', 'near'],
  trail: ['extract', 'dedup', 'harvest', 'near'],
  report: ['release', 'trail'],
};

/**
 * Plans a stage, and those after it of which nothing is to do: sends what is not done yet as tasks. Killed at any moment
 * and begun again it sends nothing twice, whatever was done meanwhile.
 */
export async function planFrom(
  database: Database,
  run: FleetRun,
  first: StageName,
  signal: AbortSignal,
): Promise<void> {
  const storage = runStorage(run.location);
  for (const stage of STAGES.slice(STAGES.indexOf(first))) {
    // Looked at first: the manifests of a stage may be a million files.
    const planned = await findPlanned(database, run.id, stage);
    if (planned?.finished) continue;
    if (planned) return;
    const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
    for (const before of NEEDS[stage])
      finished[before] = await manifestsOf(database, run.id, before, storage);
    const sent = await sendStage(database, run, stage, finished, storage, signal);
    // Its last group plans what comes after it.
    if (sent) return;
  }
  await sendControl(database, 'settle', run, 'report');
}

/** The manifests of a stage that is done. */
async function manifestsOf(
  sql: Sql,
  run: string,
  stage: StageName,
  storage: Storage,
): Promise<readonly Manifest[]> {
  const [row] = await sql.query<{ tasks: number }>(
    'SELECT tasks FROM gleaner.stage WHERE run = $1 AND stage = $2',
    [run, stage],
  );
  // Those beyond them are of a release that was there before.
  return (await readManifests(storage, stage)).slice(0, row?.tasks ?? 0);
}

/** Tasks of one stage, and which of them are done. */
interface PlannedStage {
  readonly stage: StageName;
  readonly tasks: readonly Task[];
  readonly done: ReadonlySet<number>;
}

/** @returns whether there is something to do, so that what comes after has to wait */
async function sendStage(
  database: Database,
  run: FleetRun,
  stage: StageName,
  finished: Finished,
  storage: Storage,
  signal: AbortSignal,
): Promise<boolean> {
  const spec = submittedRun(run.spec);
  // What is fetched apart is harvested as it comes, shard by shard: a crawl's images are more than one wants to store.
  const together: readonly StageName[] = stage === 'fetch' && spec.apart ? ['fetch', 'harvest'] : [stage];
  const planned: PlannedStage[] = [];
  for (const name of together) {
    const tasks = planStage(name, spec, finished);
    planned.push({ stage: name, tasks, done: await doneTasks(storage, run, tasks, signal) });
  }
  const harvested = planned.length > 1 ? planned.at(-1)?.done : undefined;
  for (const { stage: name, tasks, done } of planned)
    await database.query(
      `INSERT INTO gleaner.stage (run, stage, tasks, done_before, open_groups) VALUES ($1, $2, $3, $4, 1)
       ON CONFLICT (run, stage) DO NOTHING`,
      [
        run.id,
        name,
        tasks.length,
        name === 'fetch' ? new Set([...done, ...(harvested ?? [])]).size : done.size,
      ],
    );
  const packer = new TaskPacker(storage);
  const gpu = spec.provider !== 'cpu';
  const count = Math.max(...planned.map(({ tasks }) => tasks.length));
  for (let start = 0; start < count; start += GROUP_TASKS) {
    signal.throwIfAborted();
    const parts: StagePart[] = [];
    for (const { stage: name, tasks, done } of planned) {
      const packed: PackedTask[] = [];
      for (const task of tasks.slice(start, start + GROUP_TASKS))
        if (!done.has(task.index) && !harvested?.has(task.index))
          packed.push({ index: task.index, task: await packer.pack(task) });
      parts.push({ queue: queueOf(name, gpu), stage: name, tasks: packed });
    }
    await sendGroup(database, run, start / GROUP_TASKS, parts);
  }
  let open = false;
  for (const { stage: name } of planned) open = (await endPlanning(database, run.id, name)) || open;
  return open;
}

/** All tasks of a stage are sent. @returns whether some of them are to be done */
async function endPlanning(database: Database, run: string, stage: StageName): Promise<boolean> {
  return database.transaction(async (sql) => {
    const [planned] = await sql.query<{ open_groups: number }>(
      `UPDATE gleaner.stage SET planned_at = now(), open_groups = open_groups - 1
       WHERE run = $1 AND stage = $2 AND planned_at IS NULL RETURNING open_groups`,
      [run, stage],
    );
    // Planned before, by an attempt that was thought dead: it, or the last group, goes on from there.
    if (!planned) return !(await findPlanned(sql, run, stage))?.finished;
    if (planned.open_groups > 0) return true;
    await finishStage(sql, run, stage);
    return false;
  });
}

async function doneTasks(
  storage: Storage,
  { fingerprint }: FleetRun,
  tasks: readonly Task[],
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const done = new Set<number>();
  const [first] = tasks;
  if (!first) return done;
  const there = new Set(await storage.list(`tasks/${first.stage}`));
  const begun = tasks.filter(({ stage, index }) => there.has(manifestPath(stage, index)));
  const looks = mapOrdered(begun, looksAtOnce(storage), async (task) => {
    const name = taskFingerprint(fingerprint, task);
    if (await finishedManifest(storage, task.stage, task.index, name)) done.add(task.index);
  });
  for await (const _ of looks) signal.throwIfAborted();
  return done;
}

/** Sends a job that is no work on pairs; nothing happens where it was sent before. */
export async function sendControl(
  database: Database,
  queue: 'plan' | 'settle',
  run: Pick<FleetRun, 'id' | 'priority'>,
  stage: StageName,
  db?: Db,
): Promise<void> {
  const data: JobData = { run: run.id, stage, index: 0, task: null };
  const job = { id: jobId(run.id, queue, stage), data, priority: run.priority };
  if (db) await database.boss.insert(queue, [job], { db });
  else await database.persevere(() => database.boss.insert(queue, [job]));
}

/** Marks a stage as done: all its groups are. */
export async function finishStage(sql: Sql, run: string, stage: StageName): Promise<void> {
  await sql.query('UPDATE gleaner.stage SET finished_at = now() WHERE run = $1 AND stage = $2', [run, stage]);
}

/** A stage of which all tasks are sent; undefined where they are not. */
async function findPlanned(
  sql: Sql,
  run: string,
  stage: StageName,
): Promise<{ readonly finished: boolean } | undefined> {
  const [row] = await sql.query<{ finished: boolean }>(
    `SELECT finished_at IS NOT NULL AS finished FROM gleaner.stage
     WHERE run = $1 AND stage = $2 AND planned_at IS NOT NULL`,
    [run, stage],
  );
  return row;
}

/** Puts the finished release in its place, and ends the run. */
export async function settleRun(database: Database, run: FleetRun): Promise<void> {
  const storage = runStorage(run.location);
  const finished: Partial<Record<StageName, readonly Manifest[]>> = {};
  for (const stage of STAGES) finished[stage] = await manifestsOf(database, run.id, stage, storage);
  await storage.sweep();
  await removeStrayHarvests(storage, finished.harvest ?? []);
  await endRelease(storage, finished);
  await database.query(
    "UPDATE gleaner.run SET state = 'done', finished_at = now() WHERE id = $1 AND state <> 'done'",
    [run.id],
  );
}
