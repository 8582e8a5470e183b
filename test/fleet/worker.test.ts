import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { cancelRun, submitRun } from '../../src/executors/fleet/submit.ts';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { treeOf } from '../support/tree.ts';

let postgres: Postgres;
let database: Database;
let folder: string;
let crawl: SmallCrawl;
let expected: Record<string, string>;

const named = () => ({ recipe: join(folder, 'small.yaml'), wats: crawl.wats, imagesFrom: [crawl.archive] });

beforeAll(async () => {
  postgres = await startPostgres();
  database = await Database.open(postgres.url);
  folder = await mkdtemp(join(tmpdir(), 'gleaner-worker-'));
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 4, pagesPerWat: 12 });
  await writeFile(join(folder, 'hosts.txt'), 'blocked.example\n');
  await writeFile(
    join(folder, 'small.yaml'),
    `name: small
harvest: { pairsPerTask: 20 }
dedup: { watBytesPerBucket: 2000 }
release: { parts: 8 }
extract: { hostBlocklists: [${JSON.stringify(join(folder, 'hosts.txt'))}] }
`,
  );
  await runLocally({ ...named(), out: join(folder, 'local') });
  expected = await treeOf(join(folder, 'local', 'release'));
}, 120_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const args = (...more: string[]) => [
  'worker',
  ...['--database', postgres.url, '--workers', '2', '--cache', join(folder, 'cache')],
  ...more,
];

async function stateOf(run: string): Promise<string | undefined> {
  const [row] = await database.query<{ state: string }>('SELECT state FROM gleaner.run WHERE id = $1', [run]);
  return row?.state;
}

describe('a worker', () => {
  it('does a run from its plan to its release', { timeout: 120_000 }, async () => {
    const out = join(folder, 'one');
    const { run } = await submitRun(database, { ...named(), out });
    const { code, stderr } = await gleaner(args('--exit-when-idle', '4'));
    expect({ code, stderr: stderr.slice(-500) }).toMatchObject({ code: 0 });
    if (process.env.SHOW) process.stderr.write(stderr);
    expect(await stateOf(run)).toBe('done');
    expect(await treeOf(join(out, 'release'))).toEqual(expected);
    expect((await verifyRun(fileStorage(out))).problems).toEqual([]);
  });
});
