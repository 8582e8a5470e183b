import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { submitRun } from '../../src/executors/fleet/submit.ts';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage, openStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storedTree } from '../support/s3-tree.ts';
import { Workers } from './fleet.ts';

/** Troubles of each kind; `npm run chaos` makes more of them. */
const TROUBLES = Number(process.env.GLEANER_KILLS ?? 2);

let postgres: Postgres;
let s3: S3Server;
let env: Disposable;
let database: Database;
let folder: string;
let crawl: SmallCrawl;
let expected: Record<string, string>;

const named = () => ({ recipe: join(folder, 'small.yaml'), wats: crawl.wats, imagesFrom: [crawl.archive] });
const workers = () => new Workers({ ...s3.env, GLEANER_DATABASE: postgres.url });
const caches = () => ['--cache', join(folder, 'cache')];

beforeAll(async () => {
  [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  env = useS3(s3);
  database = await Database.open(postgres.url);
  folder = await mkdtemp(join(tmpdir(), 'gleaner-fleet-'));
  const wats = Math.max(4, TROUBLES);
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats, pagesPerWat: 8 });
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
  await runLocally({ ...named(), out: join(folder, 'local') });
  expected = await storedTree(fileStorage(join(folder, 'local')), 'release');
  expect(Object.keys(expected)).toContain('metadata/metadata_2.parquet');
}, 120_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  env[Symbol.dispose]();
  await Promise.all([postgres, s3].map((server) => server[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

async function stateOf(run: string): Promise<string | undefined> {
  const [row] = await database.query<{ state: string }>('SELECT state FROM gleaner.run WHERE id = $1', [run]);
  return row?.state;
}

/** Nothing lost, nothing twice: the release of a local run, and ledgers and checksums that fit. */
async function expectWhole(location: string, context: string): Promise<void> {
  const storage = openStorage(location);
  expect(await storedTree(storage, 'release'), context).toEqual(expected);
  expect((await verifyRun(storage)).problems, context).toEqual([]);
  const harvests = (await storage.list('harvest')).map((path) => path.split('/')[1]?.slice(0, 5));
  const folders = new Set((await storage.list('harvest')).map((path) => path.split('/')[1]));
  expect(new Set(harvests).size, context).toBe(folders.size);
  // What was counted while it ran is what the manifests say, however often tasks were tried.
  const rows = await database.query<{ tasks: string; stage: string }>(
    `SELECT s.stage, s.tasks - s.done_before - coalesce((SELECT sum(t.tasks) FROM gleaner.tally t
       WHERE t.run = s.run AND t.stage = s.stage), 0) AS tasks
     FROM gleaner.stage s JOIN gleaner.run r ON r.id = s.run WHERE r.location = $1`,
    [location],
  );
  expect(
    rows.filter(({ tasks }) => Number(tasks) !== 0),
    context,
  ).toEqual([]);
}

describe('a fleet', () => {
  it.each([1, 4])(
    'of %i on object storage gives the release of a local run, byte for byte',
    {
      timeout: 240_000,
    },
    async (size) => {
      const location = `s3://${s3.bucket}/quiet-${size}`;
      const { run } = await submitRun(database, { ...named(), out: location });
      await using fleet = workers();
      const all = Array.from({ length: size }, () => fleet.start(...caches()));
      while ((await stateOf(run)) === 'running' && fleet.running > 0) await sleep(200);
      for (const worker of all) {
        worker.kill('SIGTERM');
        const [code] = worker.exitCode === null ? await once(worker, 'exit') : [worker.exitCode];
        expect(code, fleet.log).toBe(0);
      }
      await expectWhole(location, fleet.log);
    },
  );

  it(`whose workers are killed, whose database restarts and whose storage fails gives it too`, {
    timeout: 120_000 + TROUBLES * 60_000,
  }, async () => {
    const location = `s3://${s3.bucket}/chaos`;
    const { run } = await submitRun(database, { ...named(), out: location });
    await using fleet = workers();
    const size = 3;
    const troubles: Readonly<Record<string, () => unknown>> = {
      kill: () => fleet.killOne(),
      restart: () => postgres.restart(),
      'slow-down': () => s3.fault('slow-down', 0.3),
      drop: () => s3.fault('drop', 0.1),
      // As if the database had given up a worker that is alive: two are at one task then.
      twice: () =>
        database.query(
          `UPDATE pgboss.job SET state = 'retry', start_after = now() WHERE id IN (SELECT id FROM pgboss.job
             WHERE state = 'active' AND name IN ('extract', 'dedup', 'harvest', 'release') LIMIT 1)`,
        ),
    };
    const order = Object.keys(troubles).flatMap((name) => Array<string>(TROUBLES).fill(name));
    const told: string[] = [];
    const began = performance.now();
    while ((await stateOf(run)) === 'running') {
      while (fleet.running < size) fleet.start(...caches());
      const [name] = order.splice(Math.floor(Math.random() * order.length), 1);
      if (name !== undefined) {
        told.push(`${name} at ${Math.round(performance.now() - began)} ms`);
        await troubles[name]?.();
      }
      await sleep(500 + Math.random() * 1500);
      s3.fault(undefined);
    }
    const context = `${told.join(', ')}\n${fleet.log}`;
    expect(await stateOf(run), context).toBe('done');
    expect(told.length, context).toBeGreaterThan(TROUBLES);
    await expectWhole(location, context);
  });
});
