import type { FlowJob } from 'pg-boss';
import type { StageName } from '../../pipeline/index.ts';
import type { Database } from './database.ts';
import { jobId } from './ids.ts';
import type { QueueName } from './queues.ts';
import type { FleetRun } from './run-row.ts';
import type { JobData } from './task-queue.ts';

/** Tasks that are sent, and counted down, together. */
export const GROUP_TASKS = 1_000;

/** A task as it goes through a queue: see `TaskPacker`. */
export interface PackedTask {
  readonly index: number;
  readonly task: unknown;
}

/**
 * Sends tasks of a stage whose row is there, and the gate that opens when all of them are done: all or nothing, and once,
 * by the number of the group.
 */
export async function sendGroup(
  database: Database,
  { id: run, priority }: Pick<FleetRun, 'id' | 'priority'>,
  { queue, stage, number }: { readonly queue: QueueName; readonly stage: StageName; readonly number: number },
  tasks: readonly PackedTask[],
): Promise<void> {
  const gate = jobId(run, 'gate', stage, number);
  const jobs: FlowJob[] = tasks.map(({ index, task }) => {
    const data: JobData = { run, stage, index, task };
    return { ref: String(index), name: queue, data, options: { id: jobId(run, stage, index), priority } };
  });
  const data: JobData = { run, stage, index: number, task: null };
  const dependsOn = jobs.map(({ ref }) => ref);
  jobs.push({ ref: 'gate', name: 'gate', data, options: { id: gate, priority }, dependsOn });
  await database.transaction(async (sql, db) => {
    // Of two planners at once, one waits for the other and finds what it sent.
    await sql.query('SELECT 1 FROM gleaner.stage WHERE run = $1 AND stage = $2 FOR UPDATE', [run, stage]);
    const there = await sql.query("SELECT 1 FROM pgboss.job WHERE name = 'gate' AND id = $1", [gate]);
    if (there.length > 0) return;
    await database.boss.flow(jobs, { db });
    await sql.query('UPDATE gleaner.stage SET open_groups = open_groups + 1 WHERE run = $1 AND stage = $2', [
      run,
      stage,
    ]);
  });
}
