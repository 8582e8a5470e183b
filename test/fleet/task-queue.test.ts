import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { jobId } from '../../src/executors/fleet/ids.ts';
import { TaskQueue } from '../../src/executors/fleet/task-queue.ts';
import type { Manifest } from '../../src/pipeline/index.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';

let postgres: Postgres;
let database: Database;
let queue: TaskQueue;

beforeAll(async () => {
  postgres = await startPostgres();
  database = await Database.open(postgres.url);
  queue = new TaskQueue(database);
}, 60_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

/** Sends tasks of a run that has nothing else. */
async function send(run: string, count: number, priority = 0): Promise<void> {
  await database.query(
    "INSERT INTO gleaner.run (id, fingerprint, name, location, spec) VALUES ($1, $1, $1, '/nowhere', '{}')",
    [run],
  );
  for (let index = 0; index < count; index++)
    await database.boss.send(
      'extract',
      { run, stage: 'extract', index, task: { stage: 'extract', index } },
      { id: jobId(run, 'extract', index), priority, group: { id: run } },
    );
}

function manifestOf(index: number): Manifest {
  return {
    version: 1,
    task: `extract/${index}`,
    fingerprint: 'f',
    ledgers: { pair: { in: 10, out: 7, dropped: { text_short: 3 } } } as unknown as Manifest['ledgers'],
    facts: {},
    files: [],
    seconds: 2,
    cpuSeconds: 1.5,
    finishedAt: '2026-01-01T00:00:00Z',
  };
}

async function takeAll(): Promise<number[]> {
  const found: number[] = [];
  for (;;) {
    const tasks = await queue.take(['extract'], 10);
    if (tasks.length === 0) return found;
    found.push(...tasks.map(({ index }) => index));
    for (const task of tasks) await queue.complete(task, manifestOf(task.index), 'w');
  }
}

describe('the queue of tasks', () => {
  it('hands out each task once, and counts it once however often it is ended', async () => {
    await send('once', 25);
    const [one, other] = await Promise.all([queue.take(['extract'], 20), queue.take(['extract'], 20)]);
    const all = [...one, ...other];
    expect(new Set(all.map(({ index }) => index)).size).toBe(25);
    expect(all.every(({ attempt }) => attempt === 1)).toBe(true);
    for (const task of all) {
      await queue.complete(task, manifestOf(task.index), 'w');
      await queue.complete(task, manifestOf(task.index), 'w');
    }
    const [tally] = await database.query("SELECT * FROM gleaner.tally WHERE run = 'once'");
    expect(tally).toMatchObject({
      tasks: '25',
      seconds: 50,
      cpu_seconds: 37.5,
      ledgers: { pair: { in: 250, out: 175, dropped: { text_short: 75 } } },
    });
  });

  it('counts tasks that one worker ends at the same moment', async () => {
    await send('together', 4);
    const tasks = await queue.take(['extract'], 4);
    await Promise.all(tasks.map((task) => queue.complete(task, manifestOf(task.index), 'w')));
    const [tally] = await database.query("SELECT * FROM gleaner.tally WHERE run = 'together'");
    expect(tally).toMatchObject({ tasks: '4', ledgers: { pair: { in: 40, out: 28 } } });
  });

  it('takes those of a higher priority first', async () => {
    await send('low', 2, 0);
    await send('high', 2, 5);
    const tasks = await queue.take(['extract'], 4);
    expect(tasks.map(({ run }) => run)).toEqual(['high', 'high', 'low', 'low']);
    await queue.giveBack(tasks);
    const again = await queue.take(['extract'], 4);
    expect(again.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
  });

  it('gives back what is its own, and nothing of a run that is cancelled', async () => {
    await takeAll();
    await send('given', 3);
    const tasks = await queue.take(['extract'], 3);
    const [mine, cancelled, other] = tasks;
    if (!mine || !cancelled || !other) throw new Error('three tasks');
    await database.boss.cancel('extract', cancelled.id);
    // Silent for too long, and taken by another.
    await database.query("UPDATE pgboss.job SET retry_count = 1 WHERE name = 'extract' AND id = $1", [
      other.id,
    ]);
    await queue.giveBack(tasks);
    expect(await queue.take(['extract'], 3)).toMatchObject([{ index: mine.index, attempt: 1 }]);
  });

  it('takes nothing of runs that are left to others', async () => {
    await takeAll();
    await send('mine', 2);
    await send('theirs', 2);
    const tasks = await queue.take(['extract'], 4, ['theirs']);
    expect(tasks.map(({ run }) => run)).toEqual(['mine', 'mine']);
  });

  it('tries what failed again, and lays it aside with its problem after too many times', async () => {
    await takeAll();
    await send('fails', 1);
    await database.query(
      "UPDATE pgboss.job SET retry_limit = 1 WHERE name = 'extract' AND data->>'run' = 'fails'",
    );
    for (const attempt of [1, 2]) {
      let tasks = await queue.take(['extract'], 1);
      while (tasks.length === 0) {
        await database.query(
          "UPDATE pgboss.job SET start_after = now() WHERE name = 'extract' AND state = 'retry'",
        );
        tasks = await queue.take(['extract'], 1);
      }
      expect(tasks[0]?.attempt).toBe(attempt);
      for (const task of tasks) await queue.fail(task, `the ${attempt}. problem`);
    }
    expect(await queue.take(['extract'], 1)).toEqual([]);
    const [dead] = await database.query<{ data: unknown; output: unknown }>(
      "SELECT data, output FROM pgboss.job WHERE name = 'dead-extract'",
    );
    expect(dead).toMatchObject({ data: { run: 'fails' }, output: { message: 'the 2. problem' } });
  });

  it('tells which tasks are no longer its own', async () => {
    await send('lost', 2);
    const tasks = await queue.take(['extract'], 2);
    const [mine, gone] = tasks;
    if (!mine || !gone) throw new Error('two tasks');
    expect(await queue.touch(tasks)).toEqual([]);
    await queue.fail(gone, 'silent');
    expect(await queue.touch(tasks)).toEqual([gone]);
    await queue.complete(mine, manifestOf(mine.index), 'w');
  });

  it('goes on over a restart of the database', async () => {
    await send('restart', 1);
    const restarting = postgres.restart();
    const tasks = await queue.take(['extract'], 5);
    await restarting;
    expect(tasks.length + (await queue.take(['extract'], 5)).length).toBeGreaterThan(0);
  });
});

describe('a database that cannot be used', () => {
  const bad = (change: Partial<Record<'password' | 'pathname' | 'port' | 'href', string>>): string =>
    Object.assign(new URL(postgres.url), change).href;

  it.each([
    ['a wrong password', 'DATABASE_REFUSED', { password: 'wrong' }],
    ['a database that is not there', 'DATABASE_REFUSED', { pathname: '/none' }],
    ['a port where nobody listens', 'DATABASE_UNREACHABLE', { port: '9' }],
    ['another protocol', 'USAGE', { href: 'mysql://127.0.0.1/x' }],
  ])(
    'tells %s in one line',
    async (_, code, change) => {
      const error: unknown = await Database.open(bad(change)).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code });
      expect(String(error)).not.toMatch(/secret|wrong@|\n/);
    },
    30_000,
  );

  it('refuses tables of another version', async () => {
    await database.query('UPDATE gleaner.schema_version SET version = 99');
    try {
      await expect(Database.open(postgres.url)).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' });
    } finally {
      await database.query('UPDATE gleaner.schema_version SET version = 1');
    }
  });
});
