import type { Database } from '../../src/executors/fleet/database.ts';
import { jobId } from '../../src/executors/fleet/ids.ts';
import type { QueueName } from '../../src/executors/fleet/queues.ts';
import { type LeasedTask, TaskQueue } from '../../src/executors/fleet/task-queue.ts';
import type { Manifest, StageName } from '../../src/pipeline/index.ts';
import type { Ledger } from '../../src/schema/index.ts';

/** Runs, tasks and workers as submit, planner and workers leave them in a database, without any of these. */
export class SmallFleet {
  readonly database: Database;
  readonly queue: TaskQueue;

  constructor(database: Database) {
    this.database = database;
    this.queue = new TaskQueue(database);
  }

  async clear(): Promise<void> {
    await this.database.query('TRUNCATE gleaner.run, gleaner.worker CASCADE');
    await this.database.query('DELETE FROM pgboss.job');
  }

  async run(id: string, { name = id, location = '/runs/one', priority = 0 } = {}): Promise<void> {
    await this.database.query(
      `INSERT INTO gleaner.run (id, fingerprint, name, location, spec, priority) VALUES ($1, $1, $2, $3, '{}', $4)`,
      [id, name, location, priority],
    );
  }

  /** A stage as it stands when it was planned: tasks with a number of at least `doneBefore` are sent. */
  async stage(
    run: string,
    stage: StageName,
    tasks: number,
    { doneBefore = 0, queue = stage as QueueName, secondsAgo = 100 } = {},
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO gleaner.stage (run, stage, tasks, done_before, open_groups, planned_at)
       VALUES ($1, $2, $3, $4, 1, now() - $5 * interval '1 second')`,
      [run, stage, tasks, doneBefore, secondsAgo],
    );
    const jobs = Array.from({ length: tasks - doneBefore }, (_, i) => ({
      id: jobId(run, stage, i + doneBefore),
      data: { run, stage, index: i + doneBefore, task: {} },
    }));
    await this.database.boss.insert(queue, jobs);
  }

  async finishStage(run: string, stage: StageName): Promise<void> {
    await this.database.query('UPDATE gleaner.stage SET finished_at = now() WHERE run = $1 AND stage = $2', [
      run,
      stage,
    ]);
  }

  take(queue: QueueName, tasks: number): Promise<readonly LeasedTask[]> {
    return this.queue.take([queue], tasks);
  }

  /** Takes and ends so many tasks, each with these ledgers, 10 s of time and 36 s of CPU. */
  async complete(
    queue: QueueName,
    tasks: number,
    ledgers: Readonly<Record<string, Ledger>>,
    worker = 'w',
  ): Promise<void> {
    for (const task of await this.take(queue, tasks))
      await this.queue.complete(task, manifest(ledgers), worker);
  }

  /** Fails a task for the last time that it is tried. */
  async kill(task: LeasedTask, problem: string): Promise<void> {
    await this.database.query('UPDATE pgboss.job SET retry_limit = retry_count WHERE id = $1', [task.id]);
    await this.queue.fail(task, problem);
  }

  async worker(id: string, row: Partial<WorkerValues> = {}): Promise<void> {
    const { name, host, kind, stages, gpu, slots, busy, memory, limit, state, doing, there, silent } = {
      ...USUAL_WORKER,
      name: id,
      ...row,
    };
    await this.database.query(
      `INSERT INTO gleaner.worker (id, name, host, pid, kind, stages, gpu, version, slots, busy, memory_bytes,
         memory_limit_bytes, state, doing, started_at, seen_at)
       VALUES ($1, $2, $3, 1, $4, $5, $6, '0.1.0', $7, $8, $9, $10, $11, $12,
         now() - ($13::float8 + $14) * interval '1 second', now() - $14 * interval '1 second')`,
      [
        id,
        name,
        host,
        kind,
        stages,
        gpu,
        slots,
        busy,
        memory,
        limit,
        state,
        JSON.stringify(doing),
        there,
        silent,
      ],
    );
  }
}

const USUAL_WORKER = {
  host: 'machine-1',
  kind: 'trusted',
  stages: ['extract', 'dedup', 'harvest'] as readonly string[],
  gpu: false,
  slots: 4,
  busy: 0,
  memory: 2e9,
  limit: 8e9,
  state: 'idle',
  doing: {} as Readonly<Record<string, unknown>>,
  /** Seconds that it was there, and since it was heard of. */
  there: 3600,
  silent: 1,
};
type WorkerValues = typeof USUAL_WORKER & { readonly name: string };

function manifest(ledgers: Readonly<Record<string, Ledger>>): Manifest {
  return {
    ...{ version: 1, task: 'any', fingerprint: 'f', ledgers, facts: {}, files: [] },
    ...{ seconds: 10, cpuSeconds: 36, finishedAt: '2026-01-01T00:00:00Z' },
  } as Manifest;
}
