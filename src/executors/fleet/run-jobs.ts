import { GleanerError } from '../../schema/index.ts';
import { resolveLocation } from '../../storage/index.ts';
import type { Database } from './database.ts';
import { deadLetters, QUEUES } from './queues.ts';

/** Frees what failed too often, and what was cancelled. @returns how many tasks had failed */
export async function tryAgain(database: Database, run: string): Promise<number> {
  let failed = 0;
  for (const queue of QUEUES) {
    const rows = await database.query<{ id: string; state: string }>(
      "SELECT id, state FROM pgboss.job WHERE name = $1 AND state IN ('failed', 'cancelled') AND data->>'run' = $2",
      [queue, run],
    );
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) continue;
    failed += rows.filter(({ state }) => state === 'failed').length;
    await database.query(
      `UPDATE pgboss.job SET state = 'created', retry_count = 0, started_on = NULL, completed_on = NULL,
         start_after = now(), output = NULL WHERE name = $1 AND id = ANY($2::uuid[])`,
      [queue, ids],
    );
    await database.query("DELETE FROM pgboss.job WHERE name = $1 AND data->>'run' = $2", [
      deadLetters(queue),
      run,
    ]);
  }
  return failed;
}

/**
 * Stops what is under way at a location: see `cancelRun`.
 * @returns names of the runs
 * @throws GleanerError RUN_NOT_UNDER_WAY where nothing is
 */
export async function cancelRuns(database: Database, out: string): Promise<readonly string[]> {
  const location = resolveLocation(out);
  const rows = await database.query<{ id: string }>(
    "SELECT id FROM gleaner.run WHERE location = $1 AND state = 'running'",
    [location],
  );
  if (rows.length === 0) throw nothingUnderWay(location);
  for (const { id } of rows) await cancelRun(database, id);
  return rows.map(({ id }) => id);
}

function nothingUnderWay(path: string): GleanerError {
  return new GleanerError('RUN_NOT_UNDER_WAY', { path });
}

/**
 * Stops a run: tasks under way are stopped within seconds, none is begun. What is done stays; submitted again, it goes on.
 * @throws GleanerError RUN_NOT_UNDER_WAY
 */
export async function cancelRun(database: Database, run: string): Promise<void> {
  const rows = await database.query(
    "UPDATE gleaner.run SET state = 'cancelled' WHERE id = $1 AND state = 'running' RETURNING id",
    [run],
  );
  if (rows.length === 0) throw nothingUnderWay(run);
  for (const queue of QUEUES)
    await database.query(
      `UPDATE pgboss.job SET state = 'cancelled', completed_on = now()
       WHERE name = $1 AND state < 'completed' AND data->>'run' = $2`,
      [queue, run],
    );
}

/** Removes the jobs of a run; what stands of it in the tables beside stays. */
export async function forgetJobs(database: Database, run: string): Promise<void> {
  for (const queue of QUEUES)
    await database.query("DELETE FROM pgboss.job WHERE name = ANY($1) AND data->>'run' = $2", [
      [queue, deadLetters(queue)],
      run,
    ]);
}

/** Removes all that the database has of a run; its files stay. */
export async function forgetRun(database: Database, run: string): Promise<void> {
  await forgetJobs(database, run);
  await database.query('DELETE FROM gleaner.run WHERE id = $1', [run]);
}
