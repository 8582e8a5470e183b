import { withoutSecrets } from '../../config/index.ts';
import {
  beginRun,
  manifestPath,
  runFingerprint,
  runStorage,
  STAGES,
  withKeptCard,
} from '../../pipeline/index.ts';
import { resolveLocation } from '../../storage/index.ts';
import { type NamedRun, resolveRun } from '../run.ts';
import { uploadBundles } from './bundles.ts';
import type { Database } from './database.ts';
import type { FleetSpec } from './fleet-spec.ts';
import { runId } from './ids.ts';
import { sendControl } from './planner.ts';
import { forgetRun, tryAgain } from './run-jobs.ts';
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
  if (before?.state === 'done') {
    if ((await storage.size(manifestPath('report', 0))) !== undefined)
      return { run: id, location, state: 'done', triedAgain: 0 };
    // Its files were removed since.
    await forgetRun(database, id);
  }
  await database.query(
    `INSERT INTO gleaner.run (id, fingerprint, name, location, spec, priority) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (id) DO UPDATE SET name = $3, spec = $5, priority = $6, state = 'running'`,
    [id, fingerprint, name, location, JSON.stringify(fleetSpec), priority],
  );
  const goesOn = before !== undefined && before.state !== 'done';
  const triedAgain = goesOn ? await tryAgain(database, id) : 0;
  await sendControl(database, 'plan', { id, priority }, STAGES[0]);
  return { run: id, location, state: goesOn ? 'there' : 'begun', triedAgain };
}
