import { GleanerError } from '../../../schema/index.ts';
import { resolveLocation } from '../../../storage/index.ts';
import type { Database } from '../database.ts';

/** A run by its id or its name, or by where it lies. */
export interface RunChoice {
  readonly run?: string | undefined;
  readonly out?: string | undefined;
}

/**
 * The id of a run that was given to a fleet. Of several by one name, or at one place, the one that was submitted last.
 * @throws GleanerError RUN_NOT_SUBMITTED
 */
export async function findRun(database: Database, { run, out }: RunChoice): Promise<string | undefined> {
  if (run === undefined && out === undefined) return undefined;
  const location = out === undefined ? null : resolveLocation(out);
  const [row] = await database.query<{ id: string }>(
    `SELECT id FROM gleaner.run WHERE ($1::text IS NULL OR id = $1 OR name = $1) AND ($2::text IS NULL OR location = $2)
     ORDER BY id = $1 DESC, submitted_at DESC LIMIT 1`,
    [run ?? null, location],
  );
  if (!row) throw new GleanerError('RUN_NOT_SUBMITTED', { path: run ?? location ?? '' });
  return row.id;
}
