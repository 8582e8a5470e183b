import { withoutSecrets } from '../../config/index.ts';
import { beginRun, runFingerprint, runStorage, STAGES, withKeptCard } from '../../pipeline/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { resolveLocation } from '../../storage/index.ts';
import { type NamedRun, resolveRun } from '../run.ts';
import { uploadBundles } from './bundles.ts';
import type { Database } from './database.ts';
import type { FleetSpec } from './fleet-spec.ts';
import { runId } from './ids.ts';
import { sendControl } from './planner.ts';
import { deadLetters, QUEUES } from './queues.ts';
import { readRun } from './run-row.ts';

/** A run for a fleet, by what a user names. */
export interface SubmitOptions extends Omit<NamedRun, 'until'> {
  /** Tasks of runs with a higher number come first. @default 0 */
  readonly priority?: number;
  /** What people call it. @default the last part of `out` */
  readonly name?: string;
  readonly onNotice?: (line: string) => void;
}

/** What became of a submission. */
export interface Submission {
  /** What the database calls the run. */
  readonly run: string;
  readonly location: string;
  /** 'begun'; 'there', where it was submitted before and goes on; or 'done'. */
  readonly state: 'begun' | 'there' | 'done';
  /** Tasks that had failed too often, and are tried again. */
  readonly triedAgain: number;
}

/**
 * Gives a run to a fleet, or goes on with one that was given to it before: what failed too often is tried again then.
 * Lists, model and inputs that lie on this machine are brought into the run's storage.
 *
 * @throws GleanerError as `runLocally`, RUN_MISMATCH where `out` holds another run
 */
export async function submitRun(database: Database, options: SubmitOptions): Promise<Submission> {
  const { priority = 0, signal = new AbortController().signal } = options;
  const location = resolveLocation(options.out);
  const name = options.name ?? (location.split(/[/\\]/).at(-1) || location);
  const storage = runStorage(location);
  const spec = await withKeptCard(storage, await resolveRun(options, { elsewhere: true }));
  const { model, modelDir, provider, categories } = spec;
  if (!model || modelDir === null || !provider || !categories)
    throw new Error('a fleet makes whole releases');
  await beginRun(storage, spec);
  const bundles = await uploadBundles(spec, storage, signal);
  const fleetSpec: FleetSpec = {
    version: 1,
    recipe: withoutSecrets(spec.recipe),
    wats: [...spec.wats],
    images: spec.images as FleetSpec['images'],
    ...{ model, modelDir, provider, categories },
    seen: [...spec.seen],
    tombstones: [...(spec.tombstones ?? [])],
    blocklists: spec.blocklists,
    ...(spec.apart && { apart: true }),
    ...(spec.keepFetched && { keepFetched: true }),
    bundles: [...bundles],
  };
  const fingerprint = runFingerprint(spec);
  const id = runId(fingerprint, location);
  const before = await readRun(database, id);
  if (before?.state === 'done') return { run: id, location, state: 'done', triedAgain: 0 };
  await database.query(
    `INSERT INTO gleaner.run (id, fingerprint, name, location, spec, priority) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (id) DO UPDATE SET name = $3, spec = $5, priority = $6, state = 'running'`,
    [id, fingerprint, name, location, JSON.stringify(fleetSpec), priority],
  );
  const triedAgain = before ? await tryAgain(database, id) : 0;
  await sendControl(database, 'plan', { id, priority }, STAGES[0]);
  return { run: id, location, state: before ? 'there' : 'begun', triedAgain };
}

/** Frees what failed too often, and what was cancelled. @returns how many tasks had failed */
async function tryAgain(database: Database, run: string): Promise<number> {
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

/** Removes all that the database has of a run; its files stay. */
export async function forgetRun(database: Database, run: string): Promise<void> {
  for (const queue of QUEUES)
    await database.query("DELETE FROM pgboss.job WHERE name = ANY($1) AND data->>'run' = $2", [
      [queue, deadLetters(queue)],
      run,
    ]);
  await database.query('DELETE FROM gleaner.run WHERE id = $1', [run]);
}
