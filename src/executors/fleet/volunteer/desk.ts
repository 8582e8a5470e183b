import { GLEANER_VERSION } from '../../../config/index.ts';
import type { TaskOf } from '../../../pipeline/task.ts';
import type { Database } from '../database.ts';
import { jobId } from '../ids.ts';
import { TaskPacker } from '../pack-task.ts';
import { type FleetRun, readRunOf } from '../run-row.ts';
import type { JobData } from '../task-queue.ts';
import { type ShardBounds, unfitClaim, unfitFiles } from './claim.ts';
import type { FileGrants, UploadAddress } from './grants.ts';
import { describeLoan, storageOf, writeLentPairs } from './lent-task.ts';
import {
  declare,
  exempt,
  free,
  type LoanRow,
  lend,
  loan as readLoan,
  tendLoans,
  unsweptLoans,
} from './loans.ts';
import { OpenRuns } from './open-runs.ts';
import { foldersOf, held, incoming, lentPairs } from './places.ts';
import { type Claim, GRANT_SECONDS, type Loan, SILENCE_SECONDS, type Uploaded } from './protocol.ts';
import { RequestRefused } from './refused.ts';
import { redoShards, refuseLoan } from './standing.ts';
import type { Volunteer } from './volunteers.ts';

/** Tasks that one volunteer has at once, on all its machines, at most. */
const MAX_OPEN_LOANS = 256;
/** Tasks in a row that turn out to be for trusted workers, after which the volunteer is told to come back. */
const MAX_LOOKS = 8;
/** Seconds after which one that got nothing is to ask again. */
const WAIT_SECONDS = 15;

/** What happened, for the log. */
export interface DeskEvent {
  readonly event: 'lent' | 'returned' | 'lost' | 'sent' | 'refused' | 'blocked';
  readonly volunteer: string;
  readonly run?: string;
  readonly index?: number;
  readonly problem?: string;
}

export interface DeskOptions {
  readonly grants: FileGrants;
  /** Ids of runs whose tasks are lent. @default all that can be */
  readonly runs?: readonly string[] | undefined;
  readonly onEvent?: ((event: DeskEvent) => void) | undefined;
}

/** A machine that asks for work. */
export interface Machine {
  readonly machine: string;
  readonly version: string;
  readonly slots: number;
}

/** Hands out tasks to volunteers and takes in what they send. What it says is kept in the database: there may be several. */
export class Desk {
  readonly #database: Database;
  readonly #grants: FileGrants;
  readonly #runs: OpenRuns;
  readonly #onEvent: (event: DeskEvent) => void;

  constructor(database: Database, { grants, runs, onEvent = () => undefined }: DeskOptions) {
    this.#database = database;
    this.#grants = grants;
    this.#runs = new OpenRuns(database, runs);
    this.#onEvent = onEvent;
  }

  /** @throws RequestRefused */
  async lease(
    volunteer: Volunteer,
    { machine, version, slots }: Machine,
  ): Promise<{ readonly task: Loan | null; readonly wait: number; readonly notes: readonly string[] }> {
    if (version !== GLEANER_VERSION)
      throw new RequestRefused(
        409,
        `this coordinator is gleaner ${GLEANER_VERSION}, you are ${version}: use that`,
      );
    const worker = await this.#seen(volunteer, machine, version, slots);
    const [open] = await this.#database.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM gleaner.volunteer_lease WHERE volunteer = $1 AND ended_at IS NULL',
      [volunteer.id],
    );
    if ((open?.n ?? 0) >= MAX_OPEN_LOANS)
      throw new RequestRefused(429, `${MAX_OPEN_LOANS} tasks are with you already: send some`);
    const { lendable, notes } = await this.#runs.now();
    for (let look = 0; look < MAX_LOOKS && lendable.size > 0; look++) {
      const row = await this.#database.transaction((sql) =>
        lend(sql, [...lendable.keys()], volunteer.id, worker),
      );
      const run = row && lendable.get(row.run);
      if (!row || !run) break;
      const task = await this.#describe(run, row);
      if (!task) continue;
      this.#tell('lent', volunteer.name, row);
      return { task, wait: 0, notes };
    }
    return { task: null, wait: WAIT_SECONDS, notes };
  }

  /** @returns the loans that are the volunteer's no more */
  async heartbeat(
    volunteer: Volunteer,
    machine: string,
    loans: readonly { readonly lease: string; readonly done: number }[],
  ): Promise<readonly string[]> {
    const rows = await this.#database.query<{ id: string }>(
      `UPDATE gleaner.volunteer_lease SET heard_at = now()
       WHERE volunteer = $1 AND id = ANY($2) AND state = 'working' AND ended_at IS NULL RETURNING id`,
      [volunteer.id, loans.map(({ lease }) => lease)],
    );
    const mine = new Set(rows.map(({ id }) => id));
    const done = loans.reduce((sum, one) => sum + (mine.has(one.lease) ? one.done : 0), 0);
    await this.#database.query(
      `UPDATE gleaner.worker SET seen_at = now(), busy = $2, state = CASE WHEN $2 > 0 THEN 'working' ELSE 'idle' END,
         doing = $3 WHERE id = $1`,
      [
        workerOf(volunteer, machine),
        mine.size,
        JSON.stringify(mine.size > 0 ? { harvest: { tasks: mine.size, done } } : {}),
      ],
    );
    return loans.map(({ lease }) => lease).filter((lease) => !mine.has(lease));
  }

  /**
   * Fixes what will be sent, and gives the URLs to send it by; asked again, URLs anew.
   * @throws RequestRefused
   */
  async uploads(
    volunteer: Volunteer,
    lease: string,
    files: readonly Uploaded[],
  ): Promise<readonly (UploadAddress & { readonly name: string })[]> {
    const row = await this.#own(volunteer, lease);
    const run = await readRunOf(this.#database, row.run);
    if (row.declared && JSON.stringify(row.declared) !== JSON.stringify(files))
      throw new RequestRefused(409, 'other files were declared before');
    const unfit = unfitFiles(files, await this.#bounds(run, row));
    if (unfit !== undefined) throw await this.#refuse(volunteer, run, row, unfit);
    await declare(this.#database, row.id, [...files]);
    return Promise.all(
      files.map(async ({ name, bytes, sha256 }) => ({
        name,
        ...(await this.#grants.put(
          run.location,
          { path: `${incoming(row.id)}/${name}`, bytes, sha256 },
          GRANT_SECONDS,
        )),
      })),
    );
  }

  /**
   * Takes in what was sent, for trusted workers to audit. Nothing that was given out writes to where it lies from then on.
   * @throws RequestRefused
   */
  async complete(volunteer: Volunteer, lease: string, claim: Claim): Promise<void> {
    const row = await this.#own(volunteer, lease, 'auditing');
    // The answer was lost, and it is told again.
    if (row.state === 'auditing') return;
    const run = await readRunOf(this.#database, row.run);
    if (JSON.stringify(row.declared) !== JSON.stringify(claim.files))
      throw await this.#refuse(volunteer, run, row, 'its files are not those that were declared');
    const unfit = unfitClaim(claim, await this.#bounds(run, row));
    if (unfit !== undefined) throw await this.#refuse(volunteer, run, row, unfit);
    const storage = storageOf(run);
    for (const { name, bytes } of claim.files) {
      const there = await storage.size(`${incoming(row.id)}/${name}`);
      const taken = there === undefined ? await storage.size(`${held(row.id)}/${name}`) : undefined;
      if ((there ?? taken) === bytes) continue;
      if (there === undefined && taken === undefined)
        throw new RequestRefused(409, `${name} was not sent yet`);
      throw await this.#refuse(volunteer, run, row, `${name} has ${there ?? taken} bytes, not ${bytes}`);
    }
    for (const { name } of claim.files)
      if ((await storage.size(`${incoming(row.id)}/${name}`)) !== undefined)
        await storage.move(`${incoming(row.id)}/${name}`, `${held(row.id)}/${name}`);
    await this.#database.transaction(async (sql, db) => {
      const rows = await sql.query(
        `UPDATE gleaner.volunteer_lease SET state = 'auditing', heard_at = now(), kept = $2
         WHERE id = $1 AND state = 'working' AND ended_at IS NULL RETURNING id`,
        [row.id, claim.rows],
      );
      if (rows.length === 0) return;
      const data: JobData = {
        run: row.run,
        stage: 'harvest',
        index: row.index,
        task: { loan: row.id, claim },
      };
      const job = { id: jobId(row.run, 'audit', row.id), data, priority: run.priority };
      await this.#database.boss.insert('audit', [job], { db });
    });
    this.#tell('sent', volunteer.name, row);
  }

  async giveBack(volunteer: Volunteer, leases: readonly string[]): Promise<void> {
    for (const lease of leases) {
      const row = await readLoan(this.#database, lease);
      if (!row || row.volunteer !== volunteer.id || row.state !== 'working') continue;
      await this.#database.transaction((sql) => free(sql, row, 'returned'));
      await this.#sweep(row);
      this.#tell('returned', volunteer.name, row);
    }
  }

  /** Keeps loans alive, ends those that nobody is heard of, and goes on with what a killed one left. To be called every few seconds. */
  async tend(): Promise<void> {
    const lost = await this.#database.transaction((sql) => tendLoans(sql));
    for (const row of lost) {
      await this.#sweep(row);
      this.#tell('lost', row.worker, row);
    }
    await this.#database.query(
      `UPDATE gleaner.worker SET state = 'gone', busy = 0, doing = '{}' WHERE kind = 'volunteer' AND state <> 'gone'
       AND seen_at < now() - ${SILENCE_SECONDS} * interval '1 second'`,
    );
    // What came by URLs that were still good when their task had ended.
    for (const row of await unsweptLoans(this.#database)) await this.#sweep(row);
    await redoShards(this.#database);
  }

  /** @returns undefined where it is no task for volunteers, and is free again */
  async #describe(run: FleetRun, row: LoanRow): Promise<Loan | undefined> {
    const storage = storageOf(run);
    const unpacked = await new TaskPacker(storage).unpack(row.packed);
    const task = unpacked.stage === 'harvest' ? unpacked : undefined;
    const pairs = task && !isPart(task) ? await writeLentPairs(storage, run.spec, task, row.id) : undefined;
    if (!pairs) {
      await this.#database.transaction(async (sql) => {
        await exempt(sql, row);
        await free(sql, row, 'returned', 'it is for trusted workers');
      });
      await this.#sweep(row);
      return undefined;
    }
    await this.#database.query(
      'UPDATE gleaner.volunteer_lease SET lent = $2, heard_at = now() WHERE id = $1',
      [row.id, pairs.rows],
    );
    return describeLoan(run, row, pairs, this.#grants);
  }

  async #bounds(run: FleetRun, row: LoanRow): Promise<ShardBounds> {
    const pairsBytes = (await storageOf(run).size(lentPairs(row.id))) ?? 0;
    return { pairs: row.lent, pairsBytes, dimension: run.spec.model.dimension };
  }

  /** @throws RequestRefused 410 for one that is nobody's, another's or ended: which of these is not told */
  async #own(volunteer: Volunteer, lease: string, also?: 'auditing'): Promise<LoanRow> {
    const row = await readLoan(this.#database, lease);
    if (row?.volunteer === volunteer.id && (row.state === 'working' || row.state === also)) return row;
    throw new RequestRefused(410, 'this task is not yours, or not any more');
  }

  async #refuse(volunteer: Volunteer, run: FleetRun, row: LoanRow, problem: string): Promise<RequestRefused> {
    const blocked = await refuseLoan(this.#database, row, { problem, forged: false });
    for (const folder of foldersOf(row.id)) await storageOf(run).remove(folder);
    this.#tell('refused', volunteer.name, row, problem);
    if (blocked) this.#tell('blocked', volunteer.name, row, problem);
    return new RequestRefused(400, `refused: ${problem}`);
  }

  async #sweep(row: Pick<LoanRow, 'id' | 'run'>): Promise<void> {
    const storage = storageOf(await readRunOf(this.#database, row.run));
    for (const folder of foldersOf(row.id)) await storage.remove(folder);
  }

  /** @returns its name in gleaner.worker */
  async #seen(volunteer: Volunteer, machine: string, version: string, slots: number): Promise<string> {
    const id = workerOf(volunteer, machine);
    await this.#database.query(
      `INSERT INTO gleaner.worker (id, name, host, pid, kind, stages, version, slots)
       VALUES ($1, $2, '', 0, 'volunteer', '{harvest}', $3, $4)
       ON CONFLICT (id) DO UPDATE SET seen_at = now(), slots = $4, version = $3,
         state = CASE WHEN gleaner.worker.state = 'gone' THEN 'idle' ELSE gleaner.worker.state END`,
      [id, volunteer.name, version, slots],
    );
    return id;
  }

  #tell(event: DeskEvent['event'], volunteer: string, { run, index }: LoanRow, problem?: string): void {
    this.#onEvent({ event, volunteer, run, index, ...(problem !== undefined && { problem }) });
  }
}

/** A machine of a volunteer, as the fleet names it. */
function workerOf({ id }: Volunteer, machine: string): string {
  return `volunteer-${id}-${machine}`;
}

/** Of a harvest that goes on from what lies in the storage of the run already. */
function isPart(task: TaskOf<'harvest'>): boolean {
  return task.past !== undefined || 'fetched' in task;
}
