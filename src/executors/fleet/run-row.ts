import { GleanerError } from '../../schema/index.ts';
import type { Database, Sql } from './database.ts';
import { type FleetSpec, fleetSpecSchema } from './fleet-spec.ts';

export type RunState = 'running' | 'done' | 'cancelled';

/** A run as the database knows it. */
export interface FleetRun {
  readonly id: string;
  readonly fingerprint: string;
  readonly name: string;
  /** Where its files lie: a folder that all machines see, or s3://BUCKET/PREFIX. */
  readonly location: string;
  readonly spec: FleetSpec;
  readonly priority: number;
  readonly state: RunState;
}

/** @returns undefined where there is no such run. @throws GleanerError DAMAGED */
export async function readRun(sql: Sql, id: string): Promise<FleetRun | undefined> {
  const [row] = await sql.query<Omit<FleetRun, 'spec'> & { readonly spec: unknown }>(
    'SELECT id, fingerprint, name, location, spec, priority, state FROM gleaner.run WHERE id = $1',
    [id],
  );
  if (!row) return undefined;
  const parsed = fleetSpecSchema.safeParse(row.spec);
  if (parsed.success) return { ...row, spec: parsed.data };
  throw new GleanerError('DAMAGED', {
    path: `run ${id}`,
    problem: `is not described as this version of gleaner does (${parsed.error.issues[0]?.path.join('.') ?? ''}). Submit it again with this one.`,
  });
}

/** The run of a task. @throws GleanerError DAMAGED where there is none any more */
export async function readRunOf(database: Database, id: string): Promise<FleetRun> {
  const run = await readRun(database, id);
  if (run) return run;
  throw new GleanerError('DAMAGED', { path: `run ${id}`, problem: 'is not in the database any more.' });
}
