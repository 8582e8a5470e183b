import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CrawlSelection, crawlInputs, selectPaths } from '../../src/pipeline/crawl.ts';
import { FlakyServer, TestClock } from '../storage/flaky-server.ts';

const CRAWL = 'CC-MAIN-2025-30';
const PATHS = Array.from(
  { length: 40 },
  (_, i) =>
    `crawl-data/${CRAWL}/segments/1751905933612.63/wat/CC-MAIN-20250707183638-${String(i).padStart(5, '0')}.warc.wat.gz`,
);

describe('selectPaths', () => {
  const select = (selection: Omit<CrawlSelection, 'crawl'>) =>
    selectPaths(PATHS, { crawl: CRAWL, ...selection });

  it('takes a half-open range', () => {
    expect(select({})).toEqual(PATHS);
    expect(select({ range: { from: 0, to: 3 } })).toEqual(PATHS.slice(0, 3));
    expect(select({ range: { from: 38, to: null } })).toEqual(PATHS.slice(38));
  });

  it('draws without replacement, the same each time, and more of a seed holds less of it', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (seed, a, b) => {
          const [small, large] = [Math.min(a, b), Math.max(a, b)];
          const drawn = select({ sample: { size: large, seed } });
          expect(new Set(drawn).size).toBe(large);
          expect([...drawn]).toEqual([...drawn].sort());
          expect(PATHS).toEqual(expect.arrayContaining([...drawn]));
          expect(drawn).toEqual(expect.arrayContaining([...select({ sample: { size: small, seed } })]));
        },
      ),
    );
  });

  it('draws each file about equally often', () => {
    const times = new Map(PATHS.map((path) => [path, 0]));
    for (let seed = 0; seed < 1000; seed++)
      for (const path of select({ sample: { size: 4, seed } })) times.set(path, (times.get(path) ?? 0) + 1);
    // Binomial: mean 100, standard deviation 9.5; five of them.
    for (const n of times.values()) expect(Math.abs(n - 100)).toBeLessThan(48);
  });

  it('draws from the range', () => {
    const drawn = select({ range: { from: 10, to: 20 }, sample: { size: 10, seed: 7 } });
    expect(drawn).toEqual(PATHS.slice(10, 20));
  });

  it('says how many there are to choose from', () => {
    for (const wrong of [
      { range: { from: 0, to: 41 } },
      { range: { from: 40, to: null } },
      { sample: { size: 41, seed: 0 } },
    ])
      expect(() => select(wrong)).toThrow(/has 40 WAT files to choose from/);
  });
});

describe('crawlInputs', () => {
  let server: FlakyServer;
  beforeAll(async () => {
    server = await FlakyServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const resolve = (list: Uint8Array | string, selection: Partial<CrawlSelection> = {}) => {
    server.serve(typeof list === 'string' ? gzipSync(list) : list, [], { etag: null });
    const clock = new TestClock(server);
    return crawlInputs({ crawl: CRAWL, baseUrl: `${server.origin}/mirror`, ...selection }, { clock });
  };

  it('finds the files by the list under the base URL', async () => {
    const inputs = await resolve(`${PATHS.join('\n')}\n`, { range: { from: 2, to: 4 } });
    const asked = server.asked.map(({ method, path }) => `${method} ${path}`);
    expect(asked[0]).toBe(`GET /mirror/crawl-data/${CRAWL}/wat.paths.gz`);
    expect(asked.slice(1).sort()).toEqual(PATHS.slice(2, 4).map((path) => `HEAD /mirror/${path}`));
    expect(inputs.map(({ path, name }) => [path, name])).toEqual([
      [`${server.origin}/mirror/${PATHS[2]}`, 'CC-MAIN-20250707183638-00002.warc.wat.gz'],
      [`${server.origin}/mirror/${PATHS[3]}`, 'CC-MAIN-20250707183638-00003.warc.wat.gz'],
    ]);
  });

  it('says that there is no such crawl', async () => {
    server.serve(new Uint8Array(), [], { status: 404 });
    await expect(crawlInputs({ crawl: 'CC-MAIN-2099-01', baseUrl: server.origin })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/There is no crawl CC-MAIN-2099-01; .*collinfo/),
    });
    server.serve(new Uint8Array(), [], { status: 403 });
    const clock = new TestClock(server);
    await expect(
      crawlInputs({ crawl: 'CC-MAIN-2099-01', baseUrl: server.origin }, { clock }),
    ).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(
        /2099-01.*403: no such file, no permission, or too many requests, 4 times/,
      ),
    });
  });

  it('trusts no list', async () => {
    for (const line of [
      '../../etc/passwd',
      'a/../b',
      '/etc/passwd',
      'http://x.example/y',
      '//x/y',
      'a b',
      'a?b',
      'a%2e/x',
    ])
      await expect(resolve(`${PATHS[0]}\n${line}\n`)).rejects.toMatchObject({
        code: 'DAMAGED',
        message: expect.stringContaining('line 2'),
      });
    await expect(resolve('')).rejects.toMatchObject({ message: expect.stringContaining('names no file') });
    await expect(resolve(Buffer.from('<html>'))).rejects.toMatchObject({ code: 'DAMAGED' });
    await expect(resolve(gzipSync(PATHS.join('\n')).subarray(0, 60))).rejects.toMatchObject({
      code: 'DAMAGED',
    });
  });

  it('refuses what is no name of a crawl, and no base URL', async () => {
    for (const crawl of ['../x', 'a/b', '', 'CC MAIN'])
      await expect(resolve('', { crawl })).rejects.toMatchObject({ code: 'USAGE' });
    for (const baseUrl of ['/data', 'file:///x', 'http://', 'http://a/?x'])
      await expect(resolve('', { baseUrl })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
