import type { Db } from 'pg-boss';
import { manifestPath, runStorage } from '../../../pipeline/index.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { harvestFolder } from '../../../pipeline/plan.ts';
import type { Database, Sql } from '../database.ts';
import { jobId } from '../ids.ts';
import { readRunOf } from '../run-row.ts';
import type { JobData } from '../task-queue.ts';
import { free, type LoanRow } from './loans.ts';
import { foldersOf } from './places.ts';

/**
 * Refused shards after which a token is blocked, of the last so many that were judged. An honest volunteer's shard is refused
 * by chance once in thousands (`tooMany`): three of fifty are none.
 */
const MAX_STRIKES = 3;
const STRIKE_WINDOW = 50;

/** A shard that was refused. */
export interface Refusal {
  /** What was wrong, in a few words. */
  readonly problem: string;
  /** Whether no honest machine can have made it. */
  readonly forged: boolean;
}

/**
 * Ends a loan as refused: its task is free for others, and it is held against the volunteer, who is blocked at once for
 * a forgery.
 * @returns whether the volunteer is blocked by it
 */
export async function refuseLoan(
  database: Database,
  loan: LoanRow,
  { problem, forged }: Refusal,
): Promise<boolean> {
  const strikes = await database.transaction(async (sql) => {
    await free(sql, loan, 'refused', problem);
    const [row] = await sql.query<{ strikes: string }>(
      `SELECT count(*) FILTER (WHERE state = 'refused') AS strikes FROM (
         SELECT l.state FROM gleaner.volunteer_lease l JOIN gleaner.volunteer v ON v.id = l.volunteer
         WHERE l.volunteer = $1 AND l.state IN ('accepted', 'refused') AND l.ended_at > v.pardoned_at
         ORDER BY l.ended_at DESC LIMIT ${STRIKE_WINDOW}) AS judged`,
      [loan.volunteer],
    );
    return Number(row?.strikes ?? 0);
  });
  if (!forged && strikes < MAX_STRIKES) return false;
  const why = forged ? problem : `${strikes} of its last shards were refused, the last because ${problem}`;
  await blockVolunteer(database, loan.volunteer, why);
  return true;
}

/** What became of the shards of somebody who was blocked. */
export interface Blocked {
  /** Accepted ones that are made again. */
  readonly redone: number;
  /** Accepted ones of runs that are further on: they stay. */
  readonly kept: number;
}

/**
 * Blocks a volunteer: its token is good for nothing, what it works on is free for others, and its accepted shards of runs that
 * still harvest are made again.
 */
export async function blockVolunteer(database: Database, volunteer: string, why: string): Promise<Blocked> {
  await database.query(
    'UPDATE gleaner.volunteer SET blocked_at = now(), blocked_for = $2 WHERE id = $1 AND blocked_at IS NULL',
    [volunteer, why],
  );
  const open = await database.query<LoanRow>(
    `SELECT id, run, job, job_started_on::text AS "startedOn" FROM gleaner.volunteer_lease
     WHERE volunteer = $1 AND ended_at IS NULL`,
    [volunteer],
  );
  for (const loan of open) {
    await database.transaction((sql) => free(sql, loan, 'lost', 'its volunteer was blocked'));
    const storage = runStorage((await readRunOf(database, loan.run)).location);
    for (const folder of foldersOf(loan.id)) await storage.remove(folder);
  }
  const accepted = await database.query<{ id: string }>(
    "SELECT id FROM gleaner.volunteer_lease WHERE volunteer = $1 AND state = 'accepted'",
    [volunteer],
  );
  let redone = 0;
  for (const { id } of accepted) if (await holdStage(database, id)) redone++;
  await redoShards(database);
  return { redone, kept: accepted.length - redone };
}

/** Keeps the stage of a shard from ending, and marks the shard as one to be made again. @returns whether it still can be */
async function holdStage(database: Database, id: string): Promise<boolean> {
  return database.transaction(async (sql) => {
    const rows = await sql.query<{ pairs: number; volunteer: string; kept: number }>(
      `UPDATE gleaner.volunteer_lease l SET state = 'redoing' FROM gleaner.stage s, gleaner.run r
       WHERE l.id = $1 AND l.state = 'accepted' AND r.id = l.run AND r.state = 'running'
         AND s.run = l.run AND s.stage = 'harvest' AND s.finished_at IS NULL RETURNING l.pairs, l.volunteer`,
      [id],
    );
    const [loan] = rows;
    if (!loan) return false;
    // Counted as one more group that is open: nothing comes after the harvest before it is made again.
    const held = await sql.query(
      `UPDATE gleaner.stage s SET open_groups = open_groups + 1 FROM gleaner.volunteer_lease l
       WHERE l.id = $1 AND s.run = l.run AND s.stage = 'harvest' AND s.finished_at IS NULL RETURNING s.run`,
      [id],
    );
    if (held.length === 0) {
      await sql.query("UPDATE gleaner.volunteer_lease SET state = 'accepted' WHERE id = $1", [id]);
      return false;
    }
    await sql.query(
      `UPDATE gleaner.volunteer SET accepted_shards = greatest(0, accepted_shards - 1),
         accepted_pairs = greatest(0, accepted_pairs - $2) WHERE id = $1`,
      [loan.volunteer, loan.pairs],
    );
    return true;
  });
}

/**
 * Sends what is to be made again as tasks. First goes the manifest, then comes the task: a worker that finds a manifest takes
 * its task for done. Killed between the two, the next call goes on; the stage is held meanwhile.
 */
export async function redoShards(database: Database): Promise<void> {
  const loans = await database.query<LoanRow>(
    `SELECT id, worker, run, index, task AS packed FROM gleaner.volunteer_lease WHERE state = 'redoing'`,
  );
  for (const loan of loans) {
    const run = await readRunOf(database, loan.run);
    const storage = runStorage(run.location);
    const path = manifestPath('harvest', loan.index);
    const manifest = await readManifest(storage, path);
    await storage.remove(path);
    if (manifest) await storage.remove(harvestFolder(manifest));
    await database.transaction((sql, db) => sendAgain(database, sql, db, loan, run.priority));
  }
}

async function sendAgain(
  database: Database,
  sql: Sql,
  db: Db,
  { id, worker, run, index, packed }: LoanRow,
  priority: number,
): Promise<void> {
  const sent = await sql.query(
    "UPDATE gleaner.volunteer_lease SET state = 'redone' WHERE id = $1 AND state = 'redoing' RETURNING id",
    [id],
  );
  if (sent.length === 0) return;
  const data: JobData = { run, stage: 'harvest', index, task: packed };
  const gate: JobData = { run, stage: 'harvest', index, task: null };
  await database.boss.flow(
    [
      {
        ref: 'again',
        name: 'harvest',
        data,
        options: { id: jobId(run, 'harvest', index, id), priority, group: { id: run } },
      },
      {
        ref: 'gate',
        name: 'gate',
        data: gate,
        options: { id: jobId(run, 'gate', 'harvest', index, id), priority },
        dependsOn: ['again'],
      },
    ],
    { db },
  );
  // All that this machine did in this run is made again.
  await sql.query("DELETE FROM gleaner.tally WHERE run = $1 AND stage = 'harvest' AND worker = $2", [
    run,
    worker,
  ]);
}
