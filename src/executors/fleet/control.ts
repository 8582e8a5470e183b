import { STAGES } from '../../pipeline/index.ts';
import type { Database } from './database.ts';
import { finishStage, planFrom, sendControl, settleRun } from './planner.ts';
import { forgetJobs } from './run-jobs.ts';
import { readRunOf } from './run-row.ts';
import { affectedBy, type LeasedTask } from './task-queue.ts';

/** Whether a task is what lies between stages: `runControl` does it, in no time and without a machine's engines. */
export function isControl({ queue }: LeasedTask): boolean {
  return queue === 'gate' || queue === 'plan' || queue === 'settle';
}

/** Does a task of `gate`, `plan` or `settle`, and ends it. Done twice it has done nothing more. */
export async function runControl(database: Database, task: LeasedTask, signal: AbortSignal): Promise<void> {
  if (task.queue === 'gate') return openGate(database, task);
  const run = await readRunOf(database, task.run);
  if (run.state === 'running') {
    if (task.queue === 'plan') await planFrom(database, run, task.stage, signal);
    else await settleRun(database, run);
  }
  // A job is a kilobyte, and a run has millions of them: once it is done they tell nothing that its tables do not.
  if (task.queue === 'settle') await forgetJobs(database, task.run);
  await database.persevere(() => database.boss.complete(task.queue, task.id));
}

/** A group of tasks is done: after the last of them the next stage is planned. */
async function openGate(database: Database, { run, stage, queue, id }: LeasedTask): Promise<void> {
  await database.transaction(async (sql, db) => {
    const answer = await database.boss.complete(queue, id, null, { db });
    // Counted before, by this attempt or another.
    if (affectedBy(answer) === 0) return;
    const [row] = await sql.query<{ open_groups: number; priority: number }>(
      `UPDATE gleaner.stage s SET open_groups = open_groups - 1 FROM gleaner.run r
       WHERE r.id = s.run AND s.run = $1 AND s.stage = $2 RETURNING s.open_groups, r.priority`,
      [run, stage],
    );
    if (!row || row.open_groups > 0) return;
    await finishStage(sql, run, stage);
    const next = STAGES[STAGES.indexOf(stage) + 1];
    const of = { id: run, priority: row.priority };
    if (next) await sendControl(database, 'plan', of, next, db);
    else await sendControl(database, 'settle', of, stage, db);
  });
}
