import { randomBytes } from 'node:crypto';
import type { Sql } from '../database.ts';
import type { Claim, Uploaded } from './protocol.ts';
import { GRANT_SECONDS, SILENCE_SECONDS } from './protocol.ts';

/** Where a loan stands: worked on, sent and being audited, or ended one way or the other. */
export type LoanState =
  | 'working'
  | 'auditing'
  | 'accepted'
  | 'refused'
  | 'returned'
  | 'lost'
  | 'redoing'
  | 'redone';

/** A task of harvest that a volunteer has, or had. */
export interface LoanRow {
  readonly id: string;
  readonly volunteer: string;
  /** Of gleaner.worker. */
  readonly worker: string;
  readonly run: string;
  readonly index: number;
  readonly job: string;
  /** As text, to the microsecond: names the one time that the job was taken for this loan. */
  readonly startedOn: string;
  readonly packed: unknown;
  /** Of the task. */
  readonly pairs: number;
  /** Those of them that the volunteer was told. */
  readonly lent: number;
  readonly state: LoanState;
  readonly declared: readonly Uploaded[] | null;
}

const COLUMNS = `l.id, l.volunteer, l.worker, l.run, l.index, l.job, l.job_started_on::text AS "startedOn",
  l.task AS packed, l.pairs, l.lent, l.state, l.declared`;

/** Hours after which something that nobody audits is given to another. */
const AUDIT_HOURS = 12;

/**
 * Takes a task of harvest of some runs, and writes down to whom it was lent: both or neither. pg-boss's own `fetch` cannot
 * tell runs apart, and a task that may not be lent would be taken and given back without end; so its statement stands
 * here with one condition more (pg-boss 12.30, plans.js, fetchNextJob).
 */
export async function lend(
  sql: Sql,
  runs: readonly string[],
  volunteer: string,
  worker: string,
): Promise<LoanRow | undefined> {
  const id = randomBytes(16).toString('hex');
  const [row] = await sql.query<LoanRow>(
    `WITH next AS (
       SELECT j.id FROM pgboss.job j
       WHERE j.name = 'harvest' AND j.state < 'active' AND NOT j.blocked AND j.start_after <= now()
         AND j.data->>'run' = ANY($1)
         AND NOT EXISTS (SELECT 1 FROM gleaner.volunteer_exempt x
                         WHERE x.run = j.data->>'run' AND x.index = (j.data->>'index')::int)
       ORDER BY j.priority DESC, j.created_on LIMIT 1 FOR UPDATE OF j SKIP LOCKED
     ), taken AS (
       UPDATE pgboss.job j SET state = 'active', started_on = now(), heartbeat_on = now(),
         retry_count = CASE WHEN started_on IS NOT NULL THEN retry_count + 1 ELSE retry_count END
       FROM next WHERE j.name = 'harvest' AND j.id = next.id
       RETURNING j.id, j.data, j.started_on
     )
     INSERT INTO gleaner.volunteer_lease AS l (id, volunteer, worker, run, index, job, job_started_on, task, pairs)
     SELECT $2, $3, $4, data->>'run', (data->>'index')::int, id, started_on, data->'task',
            (data->'task'->>'rowEnd')::int - (data->'task'->>'rowStart')::int
     FROM taken RETURNING ${COLUMNS}`,
    [runs, id, volunteer, worker],
  );
  return row;
}

export async function loan(sql: Sql, id: string, forUpdate = false): Promise<LoanRow | undefined> {
  const [row] = await sql.query<LoanRow>(
    `SELECT ${COLUMNS} FROM gleaner.volunteer_lease l WHERE l.id = $1 ${forUpdate ? 'FOR UPDATE' : ''}`,
    [id],
  );
  return row;
}

/** This task is for trusted workers. */
export async function exempt(sql: Sql, { run, index }: Pick<LoanRow, 'run' | 'index'>): Promise<void> {
  await sql.query('INSERT INTO gleaner.volunteer_exempt VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    run,
    index,
  ]);
}

/**
 * Ends a loan without a result; its task is free at once, unless it is another's by now. It does not count as a failure of
 * the task.
 */
export async function free(
  sql: Sql,
  { id, job, startedOn }: Pick<LoanRow, 'id' | 'job' | 'startedOn'>,
  state: 'refused' | 'returned' | 'lost',
  verdict: string | null = null,
): Promise<void> {
  await sql.query(
    `UPDATE gleaner.volunteer_lease SET state = $2, verdict = $3, ended_at = now() WHERE id = $1 AND ended_at IS NULL`,
    [id, state, verdict],
  );
  await sql.query(
    `UPDATE pgboss.job SET state = 'created', started_on = NULL, heartbeat_on = NULL
     WHERE name = 'harvest' AND id = $1 AND state = 'active' AND started_on = $2::timestamptz`,
    [job, startedOn],
  );
}

/** What a volunteer declares to send. */
export async function declare(sql: Sql, id: string, files: Claim['files']): Promise<void> {
  await sql.query('UPDATE gleaner.volunteer_lease SET declared = $2 WHERE id = $1', [
    id,
    JSON.stringify(files),
  ]);
}

/** Keeps all loans alive whose volunteers were heard of, and those that wait for their audit. @returns those that ended */
export async function tendLoans(sql: Sql): Promise<readonly LoanRow[]> {
  await sql.query(
    `UPDATE pgboss.job j SET heartbeat_on = now() FROM gleaner.volunteer_lease l
     WHERE j.name = 'harvest' AND j.id = l.job AND j.state = 'active' AND j.started_on = l.job_started_on
       AND l.ended_at IS NULL
       AND (l.state = 'auditing' OR l.heard_at > now() - ${SILENCE_SECONDS} * interval '1 second')`,
  );
  const rows = await sql.query<LoanRow>(
    `SELECT ${COLUMNS} FROM gleaner.volunteer_lease l
     LEFT JOIN pgboss.job j ON j.name = 'harvest' AND j.id = l.job
     WHERE l.ended_at IS NULL AND (
       j.id IS NULL OR j.state <> 'active' OR j.started_on <> l.job_started_on
       OR (l.state = 'working' AND l.heard_at <= now() - ${SILENCE_SECONDS} * interval '1 second')
       OR l.heard_at < now() - ${AUDIT_HOURS} * interval '1 hour')`,
  );
  for (const row of rows) await free(sql, row, 'lost');
  return rows;
}

/** Loans that ended so long ago that no URL of theirs is good any more, and whose folders were not looked at since; at most 100. */
export async function unsweptLoans(sql: Sql): Promise<readonly Pick<LoanRow, 'id' | 'run'>[]> {
  return sql.query<Pick<LoanRow, 'id' | 'run'>>(
    `UPDATE gleaner.volunteer_lease SET swept_at = now() WHERE id IN (
       SELECT id FROM gleaner.volunteer_lease
       WHERE swept_at IS NULL AND ended_at < now() - ${2 * GRANT_SECONDS} * interval '1 second' LIMIT 100)
     RETURNING id, run`,
  );
}
