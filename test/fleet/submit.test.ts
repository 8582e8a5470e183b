import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { cancelRun } from '../../src/executors/fleet/run-jobs.ts';
import { submitRun } from '../../src/executors/fleet/submit.ts';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { treeOf } from '../support/tree.ts';
import { workPlainly } from './plain-worker.ts';

let postgres: Postgres;
let database: Database;
let folder: string;
let crawl: SmallCrawl;
let expected: Record<string, string>;

/** What a user names, but for where it goes. */
const named = () => ({
  recipe: join(folder, 'small.yaml'),
  wats: crawl.wats,
  imagesFrom: [crawl.archive],
});

beforeAll(async () => {
  postgres = await startPostgres();
  database = await Database.open(postgres.url);
  folder = await mkdtemp(join(tmpdir(), 'gleaner-submit-'));
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 3, pagesPerWat: 6 });
  await writeFile(join(folder, 'hosts.txt'), 'blocked.example\n');
  await writeFile(
    join(folder, 'small.yaml'),
    `name: small
harvest: { pairsPerTask: 20 }
dedup: { watBytesPerBucket: 2000 }
release: { parts: 3 }
extract: { hostBlocklists: [${JSON.stringify(join(folder, 'hosts.txt'))}] }
`,
  );
  const out = join(folder, 'local');
  await runLocally({ ...named(), out });
  expected = await treeOf(join(out, 'release'));
}, 120_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function stages(run: string) {
  return database.query<{ stage: string; tasks: number; open_groups: number; done_before: number }>(
    'SELECT stage, tasks, open_groups, done_before FROM gleaner.stage WHERE run = $1 AND tasks > 0 ORDER BY planned_at',
    [run],
  );
}

async function stateOf(run: string): Promise<string | undefined> {
  const [row] = await database.query<{ state: string }>('SELECT state FROM gleaner.run WHERE id = $1', [run]);
  return row?.state;
}

async function expectWhole(out: string): Promise<void> {
  expect(await treeOf(join(out, 'release'))).toEqual(expected);
  expect((await verifyRun(fileStorage(out))).problems).toEqual([]);
}

describe('a run that is submitted', () => {
  it('gives the release of a local run, byte for byte', { timeout: 120_000 }, async () => {
    const out = join(folder, 'fleet');
    const { run, state } = await submitRun(database, { ...named(), out });
    expect(state).toBe('begun');
    // Twice is once.
    expect(await submitRun(database, { ...named(), out })).toMatchObject({ run, state: 'there' });
    const depths: Record<string, string> = {};
    const tasks = await workPlainly(database, async ({ queue }) => {
      for (const row of await database.query<{
        queue: string;
        queued: string;
        active: string;
        failed: string;
      }>('SELECT * FROM gleaner.queue_depth WHERE queue = $1', [queue]))
        depths[queue] ??= `${row.queued} ${row.active} ${row.failed}`;
      return 'do';
    });
    // As each queue was when its first task was taken.
    expect(depths).toMatchObject({ plan: '0 1 0', extract: '2 1 0', gate: '0 1 0', settle: '0 1 0' });
    expect(depths).toMatchObject({ release: '2 1 0', report: '0 1 0' });
    const names = tasks.map(({ queue, stage, index }) => `${queue}/${stage}/${index}`);
    expect(new Set(names).size).toBe(names.length);
    expect((await stages(run)).map(({ stage }) => stage)).toEqual([
      'extract',
      'dedup',
      'harvest',
      'release',
      'trail',
      'report',
    ]);
    expect((await stages(run)).every(({ open_groups }) => open_groups === 0)).toBe(true);
    expect(await stateOf(run)).toBe('done');
    await expectWhole(out);
    const tallies = await database.query<{ ledgers: { pair?: { in: number } } }>(
      "SELECT ledgers FROM gleaner.tally WHERE run = $1 AND stage = 'extract'",
      [run],
    );
    expect(tallies[0]?.ledgers.pair?.in).toBe(crawl.withText);
    expect(await submitRun(database, { ...named(), out })).toMatchObject({ run, state: 'done' });
    const left = await database.query("SELECT name FROM pgboss.job WHERE data->>'run' = $1", [run]);
    expect(left).toEqual([]);
    // A folder that was removed is begun anew.
    await rm(out, { recursive: true });
    expect(await submitRun(database, { ...named(), out })).toMatchObject({ run, state: 'begun' });
    await cancelRun(database, run);
  });

  it('gives it too where images are fetched apart, and keeps them no longer than it has to', {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, 'apart');
    await submitRun(database, { ...named(), out, fetchApart: true });
    const lie = async () =>
      new Set((await fileStorage(out).list('fetched')).map((path) => path.split('/')[1]));
    const counts: number[] = [];
    const tasks = await workPlainly(database, async ({ queue }) => {
      if (queue === 'fetch' || queue === 'harvest') counts.push((await lie()).size);
      return 'do';
    });
    const stages_ = tasks.map(({ queue }) => queue);
    expect(stages_.filter((queue) => queue === 'fetch').length).toBeGreaterThan(5);
    expect(stages_.filter((queue) => queue === 'fetch').length).toBe(
      stages_.filter((queue) => queue === 'harvest').length,
    );
    expect(Math.max(...counts)).toBeGreaterThan(0);
    expect(await lie()).toEqual(new Set());
    await expectWhole(out);
  });

  it('goes on in another database from what lies in its storage', { timeout: 120_000 }, async () => {
    const out = join(folder, 'moved');
    const first = await submitRun(database, { ...named(), out });
    let harvested = 0;
    const stop = new Error('enough');
    const working = workPlainly(database, async ({ queue }) => {
      if (queue === 'harvest' && harvested++ === 3) throw stop;
      return 'do';
    });
    await expect(working).rejects.toBe(stop);
    await cancelRun(database, first.run);
    await using other = await startPostgres();
    await using elsewhere = await Database.open(other.url);
    const { run } = await submitRun(elsewhere, { ...named(), out });
    await workPlainly(elsewhere);
    const rows = await elsewhere.query<{ stage: string; done_before: number }>(
      'SELECT stage, done_before FROM gleaner.stage WHERE run = $1 AND done_before > 0',
      [run],
    );
    expect(rows.map(({ stage, done_before }) => [stage, done_before])).toContainEqual(['harvest', 3]);
    await expectWhole(out);
  });

  it('that is cancelled stands still, and goes on when it is submitted again', {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, 'cancelled');
    const { run } = await submitRun(database, { ...named(), out, priority: 3 });
    await cancelRun(database, run);
    expect(await workPlainly(database)).toEqual([]);
    await expect(cancelRun(database, run)).rejects.toMatchObject({ code: 'RUN_NOT_UNDER_WAY' });
    await submitRun(database, { ...named(), out });
    await workPlainly(database);
    await expectWhole(out);
  });

  it('whose task failed too often waits, and goes on when it is submitted again', {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, 'failed');
    const { run } = await submitRun(database, { ...named(), out });
    const fail = async (task: { queue: string; index: number; id: string }) => {
      if (task.queue !== 'dedup' || task.index !== 0) return 'do' as const;
      await database.query('UPDATE pgboss.job SET retry_limit = 0 WHERE id = $1', [task.id]);
      await database.boss.fail('dedup', task.id, { message: 'no luck' });
      return 'leave' as const;
    };
    await workPlainly(database, fail);
    expect(await stateOf(run)).toBe('running');
    expect((await stages(run)).map(({ stage }) => stage)).toEqual(['extract', 'dedup']);
    expect(await submitRun(database, { ...named(), out })).toMatchObject({ triedAgain: 1 });
    await workPlainly(database);
    expect(await stateOf(run)).toBe('done');
    await expectWhole(out);
  });

  it('is refused where the folder holds another run', async () => {
    const error: unknown = await submitRun(database, {
      ...named(),
      recipe: 'everything',
      out: join(folder, 'fleet'),
    }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'RUN_MISMATCH' });
    expect(await readFile(join(folder, 'fleet', 'run.json'), 'utf8')).toContain('"small"');
  });
});
