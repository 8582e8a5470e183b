import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { cancelRun } from '../../src/executors/fleet/run-jobs.ts';
import { submitRun } from '../../src/executors/fleet/submit.ts';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, ROOT } from '../support/gleaner.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { treeOf } from '../support/tree.ts';
import { type HeldOrigin, startHeldOrigin } from './held-origin.ts';

let postgres: Postgres;
let database: Database;
let folder: string;
let crawl: SmallCrawl;
let origin: HeldOrigin;
let expected: Record<string, string>;
const workers: ChildProcess[] = [];

/** Images of an origin that can be made to wait: so a task is under way for as long as a test wants. */
const named = () => ({ recipe: join(folder, 'small.yaml'), wats: crawl.wats, allowHosts: [origin.host] });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-worker-'));
  postgres = await startPostgres();
  database = await Database.open(postgres.url);
  origin = await startHeldOrigin();
  crawl = await makeSmallCrawl(join(folder, 'crawl'), {
    wats: 2,
    pagesPerWat: 6,
    imageHost: () => origin.host,
  });
  await writeFile(join(folder, 'hosts.txt'), 'blocked.example\n');
  await writeFile(
    join(folder, 'small.yaml'),
    `name: small
harvest: { pairsPerTask: 20, recordTime: false }
dedup: { watBytesPerBucket: 2000 }
release: { parts: 2 }
score: { minSimilarity: null }
image: { minBytes: 1 }
fetch: { contact: a@b.example }
extract: { hostBlocklists: [${JSON.stringify(join(folder, 'hosts.txt'))}] }
`,
  );
  await runLocally({ ...named(), out: join(folder, 'local') });
  expected = await treeOf(join(folder, 'local', 'release'));
}, 120_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => origin.open());
afterEach(() => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
});

/** A worker, and what it logs. */
interface Started {
  readonly child: ChildProcess;
  readonly events: Record<string, unknown>[];
  readonly stderr: () => string;
}

function args(more: readonly string[]): string[] {
  const cache = ['--cache', join(folder, 'cache')];
  return ['worker', '--database', postgres.url, '--workers', '2', ...cache, ...more];
}

function start(...more: string[]): Started {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'gleaner.js'), ...args(more)], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  workers.push(child);
  const events: Record<string, unknown>[] = [];
  let [stderr, rest] = ['', ''];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) events.push(JSON.parse(line));
  });
  return { child, events, stderr: () => stderr };
}

const soon = { timeout: 60_000, interval: 200 };

async function stateOf(run: string): Promise<string | undefined> {
  const [row] = await database.query<{ state: string }>('SELECT state FROM gleaner.run WHERE id = $1', [run]);
  return row?.state;
}

async function jobs(run: string, queue: string) {
  return database.query<{ state: string; retry_count: number; output: { message?: string } | null }>(
    "SELECT state, retry_count, output FROM pgboss.job WHERE name = $1 AND data->>'run' = $2",
    [queue, run],
  );
}

async function rowOf({ child }: Started) {
  const [row] = await database.query<{
    name: string;
    state: string;
    doing: Record<string, { tasks: number }>;
  }>('SELECT name, state, doing FROM gleaner.worker WHERE pid = $1', [child.pid]);
  return row;
}

async function expectWhole(run: string, out: string): Promise<void> {
  await vi.waitFor(async () => expect(await stateOf(run)).toBe('done'), soon);
  expect(await treeOf(join(out, 'release'))).toEqual(expected);
  expect((await verifyRun(fileStorage(out))).problems).toEqual([]);
}

/** A run whose harvest is under way, at a worker that does harvest only, with its images held. */
async function heldAt(name: string, worker: () => Started) {
  const out = join(folder, name);
  const { run } = await submitRun(database, { ...named(), out });
  origin.hold();
  const all = start('--stages', 'extract,dedup');
  const holding = worker();
  await vi.waitFor(() => expect(origin.waiting).toBeGreaterThan(0), soon);
  all.child.kill('SIGTERM');
  await once(all.child, 'exit');
  return { out, run, holding };
}

async function ended({ child }: Started): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

/** Where it answers who watches it. */
function healthOf({ events }: Started): URL {
  const url = new URL(String(events.find(({ msg }) => msg === 'metrics')?.url));
  url.hostname = '127.0.0.1';
  return url;
}

function stop(worker: Started): Promise<number | null> {
  worker.child.kill('SIGTERM');
  return ended(worker);
}

describe('a worker', () => {
  it('does a run from its plan to its release, and counts what it does', {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, 'one');
    const { run } = await submitRun(database, { ...named(), out });
    const worker = start('--metrics-port', '0', '--name', 'the one');
    await expectWhole(run, out);
    const metrics = await (await fetch(new URL('/metrics', healthOf(worker)))).text();
    const [stage] = await database.query<{ tasks: number }>(
      "SELECT tasks FROM gleaner.stage WHERE run = $1 AND stage = 'harvest'",
      [run],
    );
    const tasks = stage?.tasks;
    expect(metrics).toContain(`gleaner_tasks_total{stage="harvest",result="done"} ${tasks}\n`);
    expect(metrics).toContain(`gleaner_task_seconds_count{stage="harvest"} ${tasks}\n`);
    expect(metrics).toContain(`gleaner_pairs_total{stage="harvest",result="kept"} ${crawl.unique}\n`);
    expect(metrics).toContain(`gleaner_bytes_fetched_total ${crawl.unique * origin.bytes}\n`);
    expect(await stop(worker)).toBe(0);
    expect(await rowOf(worker)).toMatchObject({ state: 'gone', name: 'the one' });
    const done = worker.events.filter(
      ({ msg, stage, queue }) => msg === 'done' && stage === 'harvest' && !queue,
    );
    expect(done[0]).toMatchObject({ run, kept: expect.any(Number), seconds: expect.any(Number) });
    const [tally] = await database.query<{ tasks: string; ledgers: { fetched: { in: number } } }>(
      "SELECT tasks, ledgers FROM gleaner.tally WHERE run = $1 AND stage = 'harvest'",
      [run],
    );
    expect(tally?.ledgers.fetched.in).toBe(crawl.unique);
  });

  it('does one that is fetched apart, with another that scores', { timeout: 120_000 }, async () => {
    const out = join(folder, 'apart');
    const { run } = await submitRun(database, { ...named(), out, fetchApart: true });
    const fetches = start('--stages', 'extract,dedup,fetch');
    const scores = start('--stages', 'harvest,near,select,release,trail,report');
    await expectWhole(run, out);
    const stagesOf = ({ events }: Started) =>
      new Set(events.filter(({ msg, queue }) => msg === 'done' && !queue).map(({ stage }) => stage));
    expect(stagesOf(fetches)).toEqual(new Set(['extract', 'dedup', 'fetch']));
    expect(stagesOf(scores)).toEqual(new Set(['harvest', 'release', 'trail', 'report']));
  });

  it('that is killed has its tasks taken over within a minute', { timeout: 180_000 }, async () => {
    const { out, run, holding } = await heldAt('killed', () => start('--stages', 'harvest'));
    await vi.waitFor(
      async () => expect((await rowOf(holding))?.doing.harvest?.tasks).toBeGreaterThan(0),
      soon,
    );
    holding.child.kill('SIGKILL');
    await once(holding.child, 'exit');
    const active = async () => (await jobs(run, 'harvest')).filter(({ state }) => state === 'active').length;
    const hers = await active();
    expect(hers).toBeGreaterThan(0);
    const other = start();
    const tookOver = () =>
      other.events.filter(({ msg, stage, queue }) => msg === 'done' && stage === 'harvest' && !queue);
    origin.open();
    // Those that nobody has are done at once; the others when the dead one has been silent for long enough.
    await vi.waitFor(async () => expect(tookOver().length).toBe((await jobs(run, 'harvest')).length), soon);
    await expectWhole(run, out);
  });

  it('that is told to stop ends what it is at, takes no more, and is gone', {
    timeout: 120_000,
  }, async () => {
    const { run, out, holding } = await heldAt('drained', () =>
      start('--stages', 'harvest', '--grace', '60'),
    );
    const had = (await jobs(run, 'harvest')).filter(({ state }) => state === 'active').length;
    holding.child.kill('SIGTERM');
    await vi.waitFor(() => expect(holding.events.at(-1)).toMatchObject({ msg: 'draining' }), soon);
    origin.open();
    expect(await ended(holding)).toBe(0);
    const states = (await jobs(run, 'harvest')).map(({ state }) => state).sort();
    expect(states.filter((state) => state === 'completed').length).toBe(had);
    expect(states.filter((state) => state !== 'completed').every((state) => state === 'created')).toBe(true);
    expect(await rowOf(holding)).toMatchObject({ state: 'gone', doing: {} });
    start();
    await expectWhole(run, out);
  });

  it('that may not wait gives back what it is at, and leaves nothing half written', {
    timeout: 120_000,
  }, async () => {
    const { run, out, holding } = await heldAt('given', () => start('--stages', 'harvest', '--grace', '0'));
    holding.child.kill('SIGTERM');
    expect(await ended(holding)).toBe(0);
    // Free again at once, and not counted as a failure.
    const states = await jobs(run, 'harvest');
    expect(states.every(({ state, retry_count }) => state === 'created' && retry_count === 0)).toBe(true);
    const left = await readdir(out, { recursive: true });
    expect(left.filter((path) => /\.pending-/.test(path))).toEqual([]);
    origin.open();
    start();
    await expectWhole(run, out);
  });

  it('stops the tasks of a run that is cancelled, and goes on with others', {
    timeout: 120_000,
  }, async () => {
    const { run, holding } = await heldAt('cancelled', () => start());
    await cancelRun(database, run);
    await vi.waitFor(() => expect(origin.waiting).toBe(0), soon);
    await vi.waitFor(
      () => expect(holding.events.filter(({ msg }) => msg === 'lost').length).toBeGreaterThan(0),
      soon,
    );
    origin.open();
    const out = join(folder, 'other');
    const other = await submitRun(database, { ...named(), out });
    await expectWhole(other.run, out);
    expect(await stateOf(run)).toBe('cancelled');
    expect(await stop(holding)).toBe(0);
  });

  it('leaves a run that this machine does not see to others, and says so once', {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, 'unseen');
    const { run } = await submitRun(database, { ...named(), out });
    const worker = start('--stages', 'extract');
    await vi.waitFor(async () => expect(await jobs(run, 'extract')).toHaveLength(2), soon);
    await stop(worker);
    await rm(join(out, 'run.json'));
    await database.query(
      "UPDATE pgboss.job SET state = 'created', started_on = NULL WHERE name = 'extract' AND data->>'run' = $1",
      [run],
    );
    const blind = start('--stages', 'extract', '--exit-when-idle', '6');
    expect(await ended(blind)).toBe(0);
    const said = blind.events.filter(({ level }) => level === 'warn');
    expect(said).toMatchObject([{ run, problem: expect.stringContaining('sees no run there') }]);
    expect((await jobs(run, 'extract')).map(({ state, retry_count }) => [state, retry_count])).toEqual([
      ['created', 0],
      ['created', 0],
    ]);
    await cancelRun(database, run);
  });

  it('ends in one line where its storage refuses, with its tasks given back', {
    timeout: 60_000,
  }, async () => {
    const out = join(folder, 'refused');
    const { run } = await submitRun(database, { ...named(), out });
    // Where a folder has to be made there is a file.
    await writeFile(join(out, 'pairs'), '');
    const { code, stderr } = await gleaner(args(['--log', 'text']));
    expect(code).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^gleaner: .*pairs.*\(E\w+\)/);
    const states = await jobs(run, 'extract');
    expect(states.map(({ state, retry_count }) => [state, retry_count])).toEqual([
      ['created', 0],
      ['created', 0],
    ]);
    await cancelRun(database, run);
  });

  it('fails a task that takes more memory than it may have, and says so', { timeout: 120_000 }, async () => {
    const out = join(folder, 'large');
    const { run } = await submitRun(database, { ...named(), out });
    const before = start('--stages', 'extract,dedup');
    await vi.waitFor(async () => expect((await jobs(run, 'harvest')).length).toBeGreaterThan(0), soon);
    await stop(before);
    origin.hold();
    // A worker and its first process take more than this before the process has anything to do.
    const worker = start('--stages', 'harvest', '--memory', '250MiB');
    await vi.waitFor(
      async () =>
        expect((await jobs(run, 'harvest')).map(({ output }) => output?.message)).toContainEqual(
          expect.stringContaining('takes more memory than this worker may have (--memory 250MiB)'),
        ),
      soon,
    );
    expect(worker.child.exitCode).toBe(null);
    await cancelRun(database, run);
  });

  it('answers who watches it', { timeout: 120_000 }, async () => {
    const { run, holding } = await heldAt('watched', () =>
      start('--stages', 'harvest', '--metrics-port', '0', '--grace', '60'),
    );
    const ask = (path: string) => fetch(new URL(path, healthOf(holding)));
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    const metrics = await (await ask('/metrics')).text();
    expect(metrics).toMatch(/^gleaner_worker_busy [1-9]/m);
    expect(metrics).toMatch(/^gleaner_worker_memory_bytes \d{8,}/m);
    holding.child.kill('SIGTERM');
    await vi.waitFor(async () => expect((await ask('/readyz')).status).toBe(503), soon);
    expect((await ask('/healthz')).status).toBe(200);
    origin.open();
    expect(await ended(holding)).toBe(0);
    await cancelRun(database, run);
  });
});

describe('a worker that cannot work', () => {
  it.each([
    ['stages that are none', ['--stages', 'extract,sing'], 2, "There is no stage 'sing'"],
    ['a size that is none', ['--memory', 'much'], 2, 'Give a size as 8GiB'],
    ['less memory than it takes by itself', ['--memory', '100MiB'], 2, 'a worker takes 170MiB by itself'],
    ['no GPU', ['--gpu'], 1, '--gpu'],
  ])('says so in one line: %s', { timeout: 60_000 }, async (_, flags, code, words) => {
    const result = await gleaner(args(flags));
    expect(result).toMatchObject({ code, stderr: expect.stringContaining(words) });
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });
});
