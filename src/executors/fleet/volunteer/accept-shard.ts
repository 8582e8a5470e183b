import { runStorage, taskFingerprint } from '../../../pipeline/index.ts';
import { writeManifest } from '../../../pipeline/manifest.ts';
import type { TaskOf } from '../../../pipeline/task.ts';
import type { StageResult } from '../../../stages/stage.ts';
import type { Database } from '../database.ts';
import type { FleetRun } from '../run-row.ts';
import { addTally, affectedBy } from '../task-queue.ts';
import type { LoanRow } from './loans.ts';
import type { Claim } from './protocol.ts';

/**
 * Makes an audited shard the result of its task, and counts it for its volunteer.
 * @returns false where the task is another's by now, or its volunteer was blocked meanwhile: nothing has changed then
 */
export async function acceptShard(
  database: Database,
  run: FleetRun,
  loan: LoanRow,
  task: TaskOf<'harvest'>,
  result: StageResult,
  { seconds, cpuSeconds }: Pick<Claim, 'seconds' | 'cpuSeconds'>,
): Promise<boolean> {
  return database.transaction(async (sql, db) => {
    const held = await sql.query(
      `SELECT 1 FROM gleaner.volunteer_lease l JOIN gleaner.volunteer v ON v.id = l.volunteer
         JOIN pgboss.job j ON j.name = 'harvest' AND j.id = l.job
       WHERE l.id = $1 AND l.state = 'auditing' AND l.ended_at IS NULL AND v.blocked_at IS NULL
         AND j.state = 'active' AND j.started_on = l.job_started_on
       FOR UPDATE`,
      [loan.id],
    );
    if (held.length === 0) return false;
    // While the rows are locked nobody else has the task. A manifest without what follows is of a task that is done.
    const fingerprint = taskFingerprint(run.fingerprint, task);
    const { stage, index } = task;
    const manifest = await writeManifest(
      runStorage(run.location),
      { stage, index, fingerprint },
      result,
      seconds,
      cpuSeconds,
    );
    const answer = await database.boss.complete(
      'harvest',
      loan.job,
      { worker: loan.worker, seconds },
      { db },
    );
    if (affectedBy(answer) === 0) throw new Error(`${manifest.task} could not be ended`);
    await addTally(sql, { run: run.id, stage: 'harvest' }, loan.worker, { ...manifest, cpuSeconds });
    await sql.query(
      "UPDATE gleaner.volunteer_lease SET state = 'accepted', ended_at = now(), verdict = 'accepted' WHERE id = $1",
      [loan.id],
    );
    await sql.query(
      `UPDATE gleaner.volunteer SET accepted_shards = accepted_shards + 1, accepted_pairs = accepted_pairs + $2
       WHERE id = $1`,
      [loan.volunteer, loan.pairs],
    );
    return true;
  });
}
