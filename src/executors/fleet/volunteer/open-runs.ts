import type { Database } from '../database.ts';
import { type FleetRun, readRun } from '../run-row.ts';
import { unfitForVolunteers } from './eligible.ts';
import { isComplete } from './lent-task.ts';

/** How long an answer is good for, in milliseconds: a fleet has few runs, and they begin seldom. */
const KEPT_MS = 2_000;
/** Of how many runs it is said why they are not lent. */
const MAX_NOTES = 20;

interface Runs {
  readonly lendable: ReadonlyMap<string, FleetRun>;
  /** Why others are not lent. */
  readonly notes: readonly string[];
}

/** The runs that are harvesting, and whose tasks may be lent. */
export class OpenRuns {
  readonly #database: Database;
  readonly #only: readonly string[] | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #runs: Promise<Runs> = Promise.resolve({ lendable: new Map(), notes: [] });

  /** @param only ids of the runs that may be lent. @default all */
  constructor(database: Database, only?: readonly string[]) {
    this.#database = database;
    this.#only = only;
  }

  now(): Promise<Runs> {
    if (performance.now() - this.#asked > KEPT_MS) {
      this.#asked = performance.now();
      this.#runs = this.#read();
    }
    return this.#runs;
  }

  async #read(): Promise<Runs> {
    const rows = await this.#database.query<{ id: string }>(
      `SELECT r.id FROM gleaner.run r JOIN gleaner.stage s ON s.run = r.id
       WHERE r.state = 'running' AND s.stage = 'harvest' AND s.finished_at IS NULL`,
    );
    const lendable = new Map<string, FleetRun>();
    const notes: string[] = [];
    for (const { id } of rows) {
      if (this.#only && !this.#only.includes(id)) continue;
      const run = await readRun(this.#database, id);
      if (!run) continue;
      const unfit =
        unfitForVolunteers(run.spec) ??
        (isComplete(run.spec) ? undefined : 'its lists lie where volunteers do not reach them');
      if (unfit === undefined) lendable.set(id, run);
      else if (notes.length < MAX_NOTES) notes.push(`run ${id} is not for volunteers: ${unfit}`);
    }
    return { lendable, notes };
  }
}
