import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunLocallyOptions, retryRunLocally, runLocally } from '../../src/executors/index.ts';
import { gzipMember, readParquetRows } from '../../src/formats/index.ts';
import { explainPair, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { FETCHED_COLUMNS, type FetchedRecord } from '../../src/stages/fetched.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { watRecord } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const CRASHING = new URL('./crashing-harvest.ts', import.meta.url);
/** GLEANER_KILLS=20 for more of them; every second one is by Ctrl-C. */
const KILLS = Number(process.env.GLEANER_KILLS ?? 4);
/** Every third image is flaky, every seventh cut off at first, every eleventh always missing. */
const IMAGES = 60;

describe('a run whose images failed is retried', () => {
  let folder: string;
  let origin: ImageOrigin;
  let options: Omit<RunLocallyOptions, 'out'>;
  let good: Record<string, string>;
  const out = (name: string) => join(folder, name);
  const released = (name: string) => treeOf(join(out(name), 'release'));
  const flaky = (n: number) => n % 3 === 1 && n % 7 !== 2;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-retry-'));
    origin = await startImageOrigin();
    const urlOf = (n: number) => {
      if (n % 11 === 5) return origin.odd('missing').replace('x', String(n));
      if (n % 7 === 2) return origin.marked(n, 'harmless');
      return flaky(n) ? origin.flaky(n) : origin.image(n);
    };
    // Texts from few words to many, some the same: what is embedded beside what must make no difference.
    const images = Array.from({ length: IMAGES }, (_, n) => ({
      url: urlOf(n),
      alt: `A ${n % 4 === 0 ? 'white ball' : 'picture of a circle on a coloured ground'}${', and more'.repeat(n % 9)}`,
    }));
    const wat = join(folder, 'crawl.warc.wat.gz');
    await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
    options = {
      recipe: 'everything',
      overrides: {
        fetch: { retries: 0 },
        harvest: { pairsPerTask: 16, recordTime: false },
        score: { batchSize: 5, minSimilarity: 0.05 },
        // What is alike changes with what is fetched: all of it is looked at again.
        near: { sameBytes: true, samePicture: { maxDistance: 1, minBits: 1 } },
        release: { parts: 4 },
      },
      wats: [wat],
      allowHosts: [origin.host],
      workers: 2,
    };
    await runLocally({ ...options, out: out('good') });
    good = await released('good');
    origin.failing = true;
    origin.cut = true;
    await runLocally({ ...options, out: out('bad') });
  }, 120_000);
  beforeEach(() => {
    origin.failing = false;
    origin.cut = false;
  });
  afterAll(() => origin.close());

  /** A copy of the run that has failures. */
  async function failed(name: string): Promise<string> {
    await cp(out('bad'), out(name), { recursive: true });
    return out(name);
  }

  async function fetchedOf(name: string): Promise<FetchedRecord[]> {
    const storage = fileStorage(out(name));
    const rows: FetchedRecord[] = [];
    for (const path of (await storage.list('harvest')).filter((p) => p.endsWith('/fetched.parquet'))) {
      const source = await storage.open(path);
      rows.push(...(await Array.fromAsync(readParquetRows(source, FETCHED_COLUMNS))));
      await source.close();
    }
    return rows;
  }

  it('has what the tests are about: pairs that fail, do not match, and are kept', async () => {
    const { fetched, image, matched, safe } = await runLedgers(fileStorage(out('bad')));
    expect(fetched.dropped.http_status).toBeGreaterThan(15);
    expect(image.dropped.undecodable).toBeGreaterThan(4);
    expect(matched.dropped.similarity).toBeGreaterThan(3);
    expect(safe.out).toBeGreaterThan(3);
    const lost = async (name: string) => {
      const { distinct } = await runLedgers(fileStorage(out(name)));
      return Object.values(distinct?.dropped ?? {}).reduce((sum, n) => sum + n, 0);
    };
    expect(await lost('good')).toBeGreaterThan(await lost('bad'));
    expect((await released('bad'))['stats.json']).not.toBe(good['stats.json']);
  });

  it('to what one good run gives, byte for byte, and nothing else is fetched', async () => {
    const dir = await failed('retried');
    const asked = origin.requests();
    await retryRunLocally({ dir, reasons: ['http_status', 'undecodable'], workers: 2 });
    expect(await released('retried')).toEqual(good);
    // Marked pictures are not counted by the origin, missing ones are not pictures.
    const flakies = Array.from({ length: IMAGES }, (_, n) => n).filter((n) => flaky(n) && n % 11 !== 5);
    expect(origin.requests() - asked).toBe(flakies.length);
    expect((await verifyRun(fileStorage(dir))).problems).toEqual([]);
    const harvests = (await readdir(join(dir, 'harvest'))).map((name) => name.slice(0, 5));
    expect(harvests.sort()).toEqual(['00000', '00001', '00002', '00003']);
    // The same command that began it finds all done.
    const before = await treeOf(dir);
    await runLocally({ ...options, out: dir });
    expect(await treeOf(dir)).toEqual(before);
  }, 60_000);

  it('one reason after the other too', async () => {
    const dir = await failed('by turns');
    await retryRunLocally({ dir, reasons: ['undecodable'], workers: 1 });
    const between = await runLedgers(fileStorage(dir));
    expect(between.image.dropped.undecodable).toBeUndefined();
    expect(between.fetched).toEqual((await runLedgers(fileStorage(out('bad')))).fetched);
    await retryRunLocally({ dir, reasons: ['http_status'], workers: 1 });
    expect(await released('by turns')).toEqual(good);
  }, 60_000);

  it(`killed at ${KILLS} random moments, ends the same`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
    const args = (dir: string) => ['retry', dir, '--reason', 'http_status,undecodable', '--workers', '2'];
    const began = performance.now();
    expect(await gleaner(args(await failed('undisturbed')))).toMatchObject({ code: 0 });
    const took = performance.now() - began;
    expect(await released('undisturbed')).toEqual(good);
    const dir = await failed('killed');
    const moments: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const run = startGleaner(args(dir));
      const moment = took * (0.2 + 0.75 * Math.random());
      moments.push(Math.round(moment));
      const timer = setTimeout(() => run.kill(i % 2 === 0 ? 'SIGKILL' : 'SIGINT'), moment);
      await once(run, 'exit');
      clearTimeout(timer);
    }
    const context = `killed after ${moments.join(', ')} ms of ${Math.round(took)}`;
    expect(await gleaner(args(dir)), context).toMatchObject({ code: 0 });
    expect(await released('killed'), context).toEqual(good);
    expect((await verifyRun(fileStorage(dir))).problems, context).toEqual([]);
    const harvests = (await readdir(join(dir, 'harvest'))).map((name) => name.slice(0, 5));
    expect(harvests.sort(), context).toEqual(['00000', '00001', '00002', '00003']);
  });

  it('and an image that ends its process costs that image', { timeout: 120_000 }, async () => {
    const wat = join(folder, 'deadly.warc.wat.gz');
    const images = [1, 2, 3, 4].map((n) => ({ url: origin.flaky(n), alt: `Something round, number ${n}` }));
    const deadly = origin.marked(5, 'ends by abort');
    await writeFile(
      wat,
      gzipMember(watRecord('http://site.example/', [...images, { url: deadly, alt: 'Something deadly' }])),
    );
    origin.failing = true;
    origin.cut = true;
    const dir = out('deadly');
    const { score: _, ...overrides } = options.overrides ?? {};
    await runLocally({ ...options, overrides, wats: [wat], out: dir });
    expect((await runLedgers(fileStorage(dir))).safe.out).toBe(0);
    origin.failing = false;
    const reasons = ['http_status', 'undecodable'];
    await retryRunLocally({ dir, reasons, workers: 1, processFile: CRASHING });
    expect((await runLedgers(fileStorage(dir))).safe.out).toBe(4);
    expect(await explainPair(fileStorage(dir), deadly)).toMatchObject([
      { kept: false, row: { reason: 'undecodable', detail: 'ended its worker' } },
    ]);
  });

  it('knows of every pair what fetching it took', async () => {
    const rows = await fetchedOf('bad');
    expect(rows).toHaveLength(IMAGES);
    expect(rows.map(({ uid }) => uid)).toEqual(rows.map(({ uid }) => uid).sort());
    expect(new Set(rows.map(({ host }) => host))).toEqual(new Set([origin.host]));
    const { fetched } = await runLedgers(fileStorage(out('bad')));
    const failures = rows.filter(({ reason }) => reason === 'http_status');
    expect(failures).toHaveLength(fetched.dropped.http_status ?? 0);
    for (const { http_status, detail, tries } of failures) {
      expect([404, 503]).toContain(http_status);
      expect(detail).toBe(String(http_status));
      expect(tries).toBe(1);
    }
    for (const row of rows.filter(({ reason }) => reason === null || reason === 'similarity'))
      expect([row.http_status, row.fetched_bytes > 1000n, row.final_url]).toEqual([200, true, null]);
    // What was not fetched again keeps what it took, the rest has what it took the second time.
    const dir = await failed('facts');
    await retryRunLocally({ dir, reasons: ['http_status'], workers: 2 });
    const again = await fetchedOf('facts');
    expect(again.map(({ uid }) => uid)).toEqual(rows.map(({ uid }) => uid));
    for (const [i, row] of rows.entries())
      if (row.reason !== 'http_status') expect(again[i]).toEqual(row);
      else expect([200, 404]).toContain(again[i]?.http_status);
  }, 60_000);

  it('explains what fetching a pair took', async () => {
    const { stdout } = await gleaner(['explain', out('bad'), origin.flaky(1)]);
    expect(stdout).toMatch(/^dropped +http_status: HTTP status is not 200 \(503\)$/m);
    expect(stdout).toMatch(/^fetched +status 503, 1 request, \d+ ms$/m);
    const { stdout: json } = await gleaner(['explain', out('bad'), origin.flaky(1), '--json']);
    expect(JSON.parse(json)).toMatchObject([{ kept: false, fetched: { http_status: 503, tries: 1 } }]);
  });

  it('verifies what it knows of fetching as all other files', async () => {
    const dir = await failed('flipped');
    const path = (await fileStorage(dir).list('harvest')).find((p) => p.endsWith('/fetched.parquet')) ?? '';
    const bytes = await readFile(join(dir, path));
    bytes[9] = (bytes[9] ?? 0) ^ 1;
    await writeFile(join(dir, path), bytes);
    const { problems } = await verifyRun(fileStorage(dir));
    expect(problems).toEqual([expect.stringMatching(`^${path}: its content has changed`)]);
  });

  it('says what cannot be retried', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await gleaner(['retry', ...args]);
      expect(stderr.split('\n')).toHaveLength(2);
      return [code, stderr];
    };
    const dir = await failed('unfinished');
    const [useless, line] = await refused(dir, '--reason', 'timeout,similarity');
    expect([useless, line]).toEqual([
      2,
      expect.stringMatching(/'similarity' is nothing that fetching again could change.*timeout.*undecodable/),
    ]);
    await fileStorage(dir).remove('tasks/harvest/00002.json');
    expect(await refused(dir, '--reason', 'http_status')).toEqual([
      1,
      expect.stringMatching(/unfinished: harvest is not done \(3 of 4 tasks\)\. Go on with 'gleaner run'/),
    ]);
    expect(await refused(folder, '--reason', 'timeout')).toEqual([
      1,
      expect.stringMatching(/holds no finished run or download/),
    ]);
  });
});
