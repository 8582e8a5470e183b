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

/** Tasks of one stage. */
export interface StagePart {
  readonly queue: QueueName;
  readonly stage: StageName;
  readonly tasks: readonly PackedTask[];
}

/**
 * Sends tasks of stages whose rows are there, and for each stage the gate that opens when all of its tasks are done: all
 * or nothing, and once, by the number of the group. A task waits for that of the same index in the part before.
 */
export async function sendGroup(
  database: Database,
  { id: run, priority }: Pick<FleetRun, 'id' | 'priority'>,
  number: number,
  stages: readonly StagePart[],
): Promise<void> {
  const parts = stages.filter(({ tasks }) => tasks.length > 0);
  const last = parts.at(-1);
  if (!last) return;
  const jobs: FlowJob[] = [];
  let before = new Set<number>();
  for (const [p, { queue, stage, tasks }] of parts.entries()) {
    const refs: string[] = [];
    for (const { index, task } of tasks) {
      const data: JobData = { run, stage, index, task };
      const ref = `${stage}/${index}`;
      refs.push(ref);
      // The run as its group: a machine that cannot do it leaves it to others (`TaskQueue.take`).
      const options = { id: jobId(run, stage, index), priority, group: { id: run } };
      jobs.push({
        ...{ ref, name: queue, data, options },
        ...(before.has(index) && { dependsOn: [`${parts[p - 1]?.stage}/${index}`] }),
      });
    }
    const data: JobData = { run, stage, index: number, task: null };
    const options = { id: gateId(run, stage, number), priority };
    jobs.push({ ref: `${stage}/gate`, name: 'gate', data, options, dependsOn: refs });
    before = new Set(tasks.map(({ index }) => index));
  }
  await database.transaction(async (sql, db) => {
    // Of two planners at once, one waits for the other and finds what it sent.
    const names = parts.map(({ stage }) => stage);
    await sql.query(
      'SELECT 1 FROM gleaner.stage WHERE run = $1 AND stage = ANY($2) ORDER BY stage FOR UPDATE',
      [run, names],
    );
    const gate = gateId(run, last.stage, number);
    const there = await sql.query("SELECT 1 FROM pgboss.job WHERE name = 'gate' AND id = $1", [gate]);
    if (there.length > 0) return;
    await database.boss.flow(jobs, { db });
    await sql.query(
      'UPDATE gleaner.stage SET open_groups = open_groups + 1 WHERE run = $1 AND stage = ANY($2)',
      [run, names],
    );
  });
}

function gateId(run: string, stage: StageName, number: number): string {
  return jobId(run, 'gate', stage, number);
}
