import type { JobWithMetadata } from 'pg-boss';
import { z } from 'zod';
import type { Manifest, StageName } from '../../pipeline/index.ts';
import { STAGES } from '../../pipeline/index.ts';
import { addLedgers, type Ledger } from '../../schema/index.ts';
import type { Database, Sql } from './database.ts';
import type { QueueName } from './queues.ts';

/** A task that this worker has, until it is ended, given back, or the worker falls silent. */
export interface LeasedTask {
  readonly id: string;
  readonly queue: QueueName;
  readonly run: string;
  /** Of a task of `plan` the stage that is to be planned; of `gate` the one whose tasks are counted. */
  readonly stage: StageName;
  readonly index: number;
  /** As `packTask` made it; null where it is no task of a stage. */
  readonly packed: unknown;
  /** Counted from 1. */
  readonly attempt: number;
}

/** What goes with a job. */
const jobDataSchema = z.object({
  run: z.string(),
  stage: z.enum(STAGES),
  index: z.int(),
  task: z.unknown(),
});
export type JobData = z.infer<typeof jobDataSchema>;

/** Takes tasks from the queues of a fleet, and says what became of them. All calls outlive a restart of the database. */
export class TaskQueue {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Takes tasks, by priority and then in their order, from the first of the queues that has some.
   * @param without runs of which none is taken
   * @returns none where there is nothing to do now
   */
  async take(
    queues: readonly QueueName[],
    limit: number,
    without: readonly string[] = [],
  ): Promise<readonly LeasedTask[]> {
    const { boss } = this.#database;
    const ignored = without.length > 0 ? { ignoreGroups: [...without] } : {};
    for (const queue of queues) {
      const jobs = await this.#database.persevere(() =>
        boss.fetch<unknown>(queue, { batchSize: limit, includeMetadata: true, ...ignored }),
      );
      // What comes together comes in no order.
      jobs.sort((a, b) => b.priority - a.priority || Number(a.createdOn) - Number(b.createdOn));
      if (jobs.length > 0) return jobs.map((job) => leased(queue, job));
    }
    return [];
  }

  /** Which of the queues belong to a stage that is under way: asking all of them all the time is dear for a large fleet. */
  async busy(queues: readonly QueueName[]): Promise<QueueName[]> {
    const rows = await this.#database.query<{ stage: string }>(
      `SELECT DISTINCT s.stage FROM gleaner.stage s JOIN gleaner.run r ON r.id = s.run
       WHERE s.finished_at IS NULL AND r.state = 'running'`,
    );
    const open = new Set(rows.map(({ stage }) => stage));
    return queues.filter((queue) => {
      if (queue === 'gate') return open.size > 0;
      if (queue === 'plan' || queue === 'settle') return true;
      return open.has(queue === 'harvest-gpu' ? 'harvest' : queue);
    });
  }

  /**
   * Says that these tasks are still being worked on.
   * @returns those that are not this worker's any more: it was silent for too long, or the run was cancelled
   */
  async touch(tasks: readonly LeasedTask[]): Promise<readonly LeasedTask[]> {
    const lost: LeasedTask[] = [];
    for (const [queue, mine] of Map.groupBy(tasks, (task) => task.queue)) {
      const ids = mine.map(({ id }) => id);
      const answer = await this.#database.persevere(() => this.#database.boss.touch(queue, ids));
      if (affectedBy(answer) === mine.length) continue;
      const rows = await this.#database.query<{ id: string }>(
        "SELECT id FROM pgboss.job WHERE name = $1 AND id = ANY($2::uuid[]) AND state = 'active'",
        [queue, ids],
      );
      const held = new Set(rows.map(({ id }) => id));
      lost.push(...mine.filter(({ id }) => !held.has(id)));
    }
    return lost;
  }

  /**
   * Ends a task, and counts it: both or neither, once.
   * @param worker id of the worker that did it
   */
  async complete(task: LeasedTask, manifest: Manifest, worker: string): Promise<void> {
    const { seconds, cpuSeconds = 0 } = manifest;
    await this.#database.transaction(async (sql, db) => {
      const { boss } = this.#database;
      const answer = await boss.complete(task.queue, task.id, { worker, seconds }, { db });
      // Ended by another attempt, or by this one, whose answer was lost: it is counted.
      if (affectedBy(answer) > 0) await addTally(sql, task, worker, { ...manifest, cpuSeconds });
    });
  }

  /** It is tried again after a while, and after too many times laid aside with its problem. */
  async fail(task: LeasedTask, problem: string): Promise<void> {
    await this.#database.persevere(() => this.#database.boss.fail(task.queue, task.id, { message: problem }));
  }

  /**
   * Others may have them at once, as if nobody had begun them: it is no failure. Those that are not this worker's any more
   * stay as they are, a cancelled run's above all.
   */
  async giveBack(tasks: readonly LeasedTask[]): Promise<void> {
    for (const [queue, mine] of Map.groupBy(tasks, (task) => task.queue))
      await this.#database.query(
        // As pg-boss's own restoreJobs does, which no function of it calls for a queue that has workers.
        `UPDATE pgboss.job j SET state = 'created', started_on = NULL, heartbeat_on = NULL
         FROM unnest($2::uuid[], $3::int[]) AS mine (id, retry_count)
         WHERE j.name = $1 AND j.id = mine.id AND j.state = 'active' AND j.retry_count = mine.retry_count`,
        [queue, mine.map(({ id }) => id), mine.map(({ attempt }) => attempt - 1)],
      );
  }
}

/** How many jobs a command of pg-boss changed: it answers so, and its types do not say. */
export function affectedBy(answer: unknown): number {
  return z.object({ affected: z.number() }).parse(answer).affected;
}

function leased(queue: QueueName, job: JobWithMetadata<unknown>): LeasedTask {
  const { run, stage, index, task } = jobDataSchema.parse(job.data);
  return { id: job.id, queue, run, stage, index, packed: task ?? null, attempt: job.retryCount + 1 };
}

/** What a worker has done of a stage: in a row of its own, so that workers do not wait for one another. */
export async function addTally(
  sql: Sql,
  { run, stage }: Pick<LeasedTask, 'run' | 'stage'>,
  worker: string,
  { seconds, cpuSeconds, ledgers }: Pick<Manifest, 'seconds' | 'ledgers'> & { readonly cpuSeconds: number },
): Promise<void> {
  // There before it is read: a row that is not there is locked for nobody, and of two tasks that end at once one would be lost.
  await sql.query(
    'INSERT INTO gleaner.tally (run, stage, worker) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [run, stage, worker],
  );
  const [before] = await sql.query<{ ledgers: Readonly<Record<string, Ledger>> }>(
    'SELECT ledgers FROM gleaner.tally WHERE run = $1 AND stage = $2 AND worker = $3 FOR UPDATE',
    [run, stage, worker],
  );
  const sums: Record<string, Ledger> = { ...before?.ledgers };
  for (const [step, ledger] of Object.entries(ledgers)) {
    const sum = sums[step];
    sums[step] = sum ? addLedgers([sum, ledger]) : ledger;
  }
  await sql.query(
    `UPDATE gleaner.tally SET tasks = tasks + 1, seconds = seconds + $4, cpu_seconds = cpu_seconds + $5, ledgers = $6
     WHERE run = $1 AND stage = $2 AND worker = $3`,
    [run, stage, worker, seconds, cpuSeconds, JSON.stringify(sums)],
  );
}
