import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import type { FleetStatus } from '../../src/executors/fleet/status/index.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { SmallFleet } from './small-fleet.ts';

const DEDUPED = { unique: { in: 100, out: 60, dropped: { duplicate: 40 } } };

describe('gleaner status', { timeout: 60_000 }, () => {
  let postgres: Postgres;
  let database: Database;
  let fleet: SmallFleet;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await Database.open(postgres.url, { supervise: false });
    fleet = new SmallFleet(database);
  }, 60_000);
  beforeEach(() => fleet.clear());
  afterEach(() => {
    // One that a test did not come to end.
    child?.kill('SIGKILL');
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const status = (...args: string[]) => gleaner(['status', '--database', postgres.url, ...args]);

  it('--once prints a run that goes on, by its name, its id or its place', async () => {
    await fleet.run('aaaa', { name: 'crawl', location: '/runs/crawl' });
    await fleet.run('bbbb', { name: 'other', location: '/runs/other' });
    await fleet.stage('aaaa', 'dedup', 4);
    await fleet.complete('dedup', 1, DEDUPED);
    const all = await status('--once');
    expect(all).toMatchObject({ code: 0, stderr: '' });
    expect(all.stdout).toMatch(/^crawl .* running/);
    expect(all.stdout).toMatch(/^other .* planning what comes next/m);
    expect(all.stdout).toMatch(/^ {2}dedup {4}━━━╌{11} {17}1\/4 {12}100 pairs {2}60\.0 % kept$/m);
    expect(all.stdout).toMatch(/^! no worker of the fleet's own is there/m);
    for (const choice of [['crawl'], ['aaaa'], ['--out', '/runs/crawl/']]) {
      const { stdout } = await status('--once', ...choice);
      expect(stdout).toMatch(/^crawl/);
      expect(stdout).not.toContain('other');
    }
    expect(await status('--once', 'nobody')).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        "gleaner: nobody: no such run was submitted to this fleet. 'gleaner status' lists those that were.\n",
    });
  });

  it('--json is for machines, with the database from the environment', async () => {
    await fleet.run('aaaa', { location: 's3://key:secret@bucket/run' });
    await fleet.stage('aaaa', 'dedup', 4);
    await fleet.complete('dedup', 2, DEDUPED);
    const { code, stdout } = await gleaner(['status', '--json', '--cpu-price', '0.04'], {
      env: { ...process.env, GLEANER_DATABASE: postgres.url },
    });
    const found: FleetStatus = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(found.runs[0]).toMatchObject({
      ...{ id: 'aaaa', location: 's3://bucket/run', condition: 'going' },
      stages: [{ stage: 'dedup', done: 2, queued: 2, in: 200, out: 120 }],
      cost: { cpuHours: 0.02, soFar: 0.0008, cpuHoursLeft: 0.02 },
    });
    expect(stdout).not.toContain('secret');
  });

  it('ends with 1 where a run cannot go on', async () => {
    await fleet.run('aaaa', { name: 'crawl' });
    await fleet.stage('aaaa', 'dedup', 1);
    const [task] = await fleet.take('dedup', 1);
    if (!task) throw new Error('one');
    await fleet.kill(task, 'pairs/00000.parquet: is damaged');
    const line =
      'gleaner: crawl: cannot go on: 1 of its tasks failed too often. Mend what they say, then submit it again.\n';
    const once = await status('--once');
    expect(once).toMatchObject({ code: 1, stderr: line });
    expect(once.stdout).toContain('failed too often: dedup/00000: pairs/00000.parquet: is damaged');
    // Watched it is the same: there is nothing left to wait for.
    expect(await status()).toMatchObject({ code: 1, stderr: line });
  });

  it('watched without a terminal prints plain lines, and ends with 0 when all is done', async () => {
    await fleet.run('aaaa', { name: 'crawl' });
    await fleet.stage('aaaa', 'dedup', 1);
    child = startGleaner(['status', '--database', postgres.url]);
    let said = '';
    child.stdout?.on('data', (text) => {
      said += String(text);
    });
    await once(child.stdout ?? child, 'data');
    await fleet.complete('dedup', 1, DEDUPED);
    await database.query("UPDATE gleaner.run SET state = 'done', finished_at = now()");
    expect(await once(child, 'exit')).toEqual([0, null]);
    const lines = said
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d UTC {2}/, ''));
    expect(lines).toEqual([
      'crawl  dedup     0.0 %  0/1 tasks',
      "! no worker of the fleet's own is there; start one with: gleaner worker",
      'crawl  dedup     100.0 %  1/1 tasks  100 pairs',
      'crawl  done',
    ]);
    expect(said).not.toContain('\x1b');
  });

  it('--serve serves the page, metrics and health until it is told to end', async () => {
    await fleet.run('aaaa');
    await fleet.stage('aaaa', 'dedup', 5);
    await fleet.complete('dedup', 1, DEDUPED);
    await fleet.take('dedup', 1);
    await fleet.worker('w');
    await fleet.worker('lost', { silent: 100 });
    child = startGleaner(['status', '--database', postgres.url, '--serve', '--port', '0', '--json']);
    const [text] = await once(child.stdout ?? child, 'data');
    const { url }: { url: string } = JSON.parse(String(text));
    const get = async (path: string) => (await fetch(new URL(path, url))).text();
    const before = await get('/metrics');
    expect(before.split('\n')).toEqual(
      expect.arrayContaining([
        'gleaner_queue_tasks{stage="dedup",state="queued"} 3',
        'gleaner_queue_tasks{stage="dedup",state="active"} 1',
        'gleaner_queue_tasks{stage="dedup",state="waiting"} 0',
        'gleaner_queue_tasks{stage="dedup",state="dead"} 0',
        'gleaner_workers{state="idle"} 1',
        'gleaner_workers{state="lost"} 1',
        'gleaner_runs{condition="going"} 1',
        'gleaner_fleet_pairs_total{stage="dedup",result="in"} 0',
      ]),
    );
    await fleet.complete('dedup', 2, DEDUPED);
    // A look is shared for a second.
    await expect
      .poll(() => get('/metrics'), { timeout: 10_000, interval: 300 })
      .toContain('gleaner_fleet_pairs_total{stage="dedup",result="in"} 200');
    expect(await get('/metrics')).toContain('gleaner_fleet_tasks_total{stage="dedup"} 2');
    expect(JSON.parse(await get('/healthz'))).toEqual({ status: 'ok' });
    expect(JSON.parse(await get('/readyz'))).toEqual({ status: 'ready' });
    // A page of another name that was turned to this address.
    const { status: turned } = await fetchAs(url, 'evil.example');
    expect(turned).toBe(421);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('refuses what makes no sense in one line', async () => {
    for (const [args, said] of [
      [['--cpu-price', 'much'], /Give a number of 0 or more/],
      [['--host', '0.0.0.0'], /'--host' goes with '--serve'/],
      [['--serve', '--port', '70000'], /Give a port/],
    ] as const) {
      const { code, stderr } = await status(...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(said);
      expect(stderr.trimEnd()).not.toContain('\n');
    }
    const { code, stderr } = await gleaner(['status'], { env: { ...process.env, GLEANER_DATABASE: '' } });
    expect([code, stderr]).toEqual([2, "gleaner: give '--database <url>', or set GLEANER_DATABASE.\n"]);
  });

  it('--help has examples', async () => {
    const { code, stdout } = await gleaner(['status', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('  $ gleaner status --serve --port 8088');
  });
});

/** Asks under another name, which fetch does not let anybody set. */
async function fetchAs(url: string, host: string): Promise<{ readonly status: number | undefined }> {
  const { request } = await import('node:http');
  const asked = request(new URL('/api/status', url), { headers: { host } }).end();
  const [response] = await once(asked, 'response');
  response.resume();
  return { status: response.statusCode };
}
