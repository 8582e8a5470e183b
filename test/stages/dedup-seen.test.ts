import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createParquetWriter, readParquetRows } from '../../src/formats/index.ts';
import { dedupPairs } from '../../src/pipeline/index.ts';
import { balances, type Pair, pairUid } from '../../src/schema/index.ts';
import { bucketOf, DROPPED_COLUMNS, PAIR_COLUMNS, pairRecord, readPairs } from '../../src/stages/tables.ts';
import { writeFile } from '../../src/stages/write-file.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { collect } from '../formats/support.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-seen-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const pair = (url: string, wat = 'w#0'): Pair => ({
  uid: pairUid(url, 't'),
  url,
  text: 't',
  pageUrl: 'http://page/',
  wat,
  license: '?',
  language: 'en',
  languageConfidence: 0.5,
});

/** What an extraction into some number of buckets leaves. */
async function writePairs(name: string, pairs: readonly Pair[], buckets: number): Promise<void> {
  const order = [...new Set(pairs.map((p) => bucketOf(p.uid, buckets)))].sort((a, b) => a - b);
  const kvMetadata = { 'gleaner.buckets': JSON.stringify(order), 'gleaner.bucket_count': String(buckets) };
  await writeFile(fileStorage(join(folder, name)), 'pairs/00000.parquet', async (sink) => {
    const writer = createParquetWriter(sink, PAIR_COLUMNS, { kvMetadata });
    for (const b of order)
      await writer.writeRowGroup(pairs.filter((p) => bucketOf(p.uid, buckets) === b).map(pairRecord));
    await writer.finish();
  });
}

async function run(name: string, options: { seen?: readonly string[]; bloom?: string } = {}) {
  const storage = fileStorage(join(folder, name));
  const ledger = await dedupPairs(storage, storage, {
    signal: new AbortController().signal,
    progress: () => undefined,
    seen: (options.seen ?? []).map((path) => join(folder, path)),
    ...(options.bloom && {
      bloom: { storage: fileStorage(folder), path: options.bloom, falsePositiveRate: 0.01 },
    }),
  });
  const urls: string[] = [];
  for (const path of await storage.list('unique'))
    urls.push(...(await collect(readPairs(storage, path))).map((p) => p.url));
  return { ledger, urls: urls.sort() };
}

test('what an earlier run had is dropped as seen, by its exact keys', async () => {
  await writePairs('may', [pair('http://a/'), pair('http://b/')], 1);
  await writePairs('june', [pair('http://b/', 'j#1'), pair('http://b/', 'j#2'), pair('http://c/')], 1);
  await run('may');
  const { ledger, urls } = await run('june', { seen: ['may'] });
  expect(urls).toEqual(['http://c/']);
  expect(ledger).toEqual({ in: 3, out: 1, dropped: { duplicate: 1, seen: 1 } });
  const source = await fileStorage(join(folder, 'june')).open('dropped/dedup/00000.parquet');
  const trail = await collect(readParquetRows(source, DROPPED_COLUMNS)).finally(() => source.close());
  expect(trail.map((row) => [row.wat, row.reason, row.detail])).toEqual([
    ['j#1', 'seen', 'may'],
    ['j#2', 'duplicate', 'j#1'],
  ]);
});

test('runs one after the other keep each pair once, whatever their numbers of buckets', async () => {
  const urls = fc.array(
    fc.integer({ min: 0, max: 60 }).map((n) => `http://h/${n}`),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(urls, fc.integer({ min: 1, max: 7 })), { minLength: 1, maxLength: 4 }),
      async (runs) => {
        const had = new Set<string>();
        for (const [i, [list, buckets]] of runs.entries()) {
          await rm(join(folder, `r${i}`), { recursive: true, force: true });
          await writePairs(
            `r${i}`,
            list.map((url) => pair(url)),
            buckets,
          );
          const found = await run(`r${i}`, { seen: runs.slice(0, i).map((_, j) => `r${j}`) });
          const expected = [...new Set(list)].filter((url) => !had.has(url)).sort();
          expect(found.urls).toEqual(expected);
          expect(balances(found.ledger)).toBe(true);
          for (const url of list) had.add(url);
        }
      },
    ),
    { numRuns: 15 },
  );
});

test('a run is not its own earlier run: its keys stay', async () => {
  await writePairs('may', [pair('http://a/')], 1);
  await run('may');
  await expect(run('may', { seen: ['may'] })).rejects.toMatchObject({ code: 'USAGE' });
  expect(await fileStorage(join(folder, 'may')).list('keys')).toEqual(['keys/00000.keys']);
});

test('a Bloom filter drops all that a run had, and little else', async () => {
  const urls = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => pair(`http://h/${from + i}`));
  await writePairs('may', urls(0, 3000), 4);
  await writePairs('june', urls(2000, 5000), 3);
  await run('may', { bloom: 'may.bloom' });
  const { ledger, urls: kept } = await run('june', { seen: ['may.bloom'] });
  const known = new Set(urls(0, 3000).map((p) => p.url));
  expect(kept.filter((url) => known.has(url))).toEqual([]);
  // 1 % of 2,000 are 20: four standard deviations on either side.
  expect(ledger.dropped.seen).toBeGreaterThanOrEqual(1002);
  expect(ledger.dropped.seen).toBeLessThan(1040);
});

test.each([
  ['nothing there', 'FILE_NOT_FOUND', /no such file/, async () => undefined],
  [
    'a folder without keys',
    'RUN_NOT_FOUND',
    /holds no finished dedup/,
    () => fileStorage(join(folder, 'may')).put('x', 'x'),
  ],
  [
    'a run that is not finished',
    'DAMAGED',
    /finish that run first/,
    async () => {
      await writePairs('may', [pair('http://a/')], 3);
      await run('may');
      await fileStorage(join(folder, 'may')).remove('keys/00001.keys');
    },
  ],
  [
    'a file of another kind',
    'DAMAGED',
    /no Bloom filter/,
    () => fileStorage(folder).put('may', 'x'.repeat(99)),
  ],
])('--seen of %s', async (_, code, message, prepare) => {
  await writePairs('june', [pair('http://b/')], 1);
  await prepare();
  const found = run('june', { seen: ['may'] });
  await expect(found).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});
