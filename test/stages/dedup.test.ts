import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createParquetWriter, readParquetRows } from '../../src/formats/index.ts';
import { balances, type Pair, pairUid, type Uid } from '../../src/schema/index.ts';
import { DedupMemory, dedup } from '../../src/stages/dedup.ts';
import { bucketOf, DROPPED_COLUMNS, PAIR_COLUMNS, pairRecord, readPairs } from '../../src/stages/tables.ts';
import { writeFile } from '../../src/stages/write-file.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { collect } from '../formats/support.ts';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-dedup-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const context = () => ({ storage, signal: new AbortController().signal, progress: () => undefined });

const pair = (url: string, text: string, wat = 'w#0', languageConfidence = 0.5): Pair => ({
  uid: pairUid(url, text),
  url,
  text,
  pageUrl: 'http://page/',
  wat,
  license: '?',
  language: 'en',
  languageConfidence,
});

/** A file as extract leaves it. */
async function writePairs(path: string, pairs: readonly Pair[], buckets: number): Promise<string> {
  const order = [...new Set(pairs.map((p) => bucketOf(p.uid, buckets)))].sort((a, b) => a - b);
  const kvMetadata = { 'gleaner.buckets': JSON.stringify(order), 'gleaner.bucket_count': String(buckets) };
  await writeFile(storage, path, async (sink) => {
    const writer = createParquetWriter(sink, PAIR_COLUMNS, { kvMetadata });
    for (const b of order)
      await writer.writeRowGroup(pairs.filter((p) => bucketOf(p.uid, buckets) === b).map(pairRecord));
    await writer.finish();
  });
  return path;
}

async function readTrail(path: string) {
  const source = await storage.open(path);
  try {
    return await collect(readParquetRows(source, DROPPED_COLUMNS));
  } finally {
    await source.close();
  }
}

test('the first occurrence wins, the others say where it is', async () => {
  const a = await writePairs(
    'pairs/00000.parquet',
    [pair('http://u/', 't', 'a#1'), pair('http://u/', 'T', 'a#2'), pair('http://u/', 't', 'a#3', 0.25)],
    1,
  );
  const b = await writePairs(
    'pairs/00001.parquet',
    [pair('http://v/', 't', 'b#1'), pair('http://u/', 'T', 'b#2')],
    1,
  );
  const { ledgers, facts, files } = await dedup({ bucket: 0, buckets: 1, pairFiles: [a, b] }, context());
  expect(ledgers).toEqual({ unique: { in: 5, out: 3, dropped: { duplicate: 2 } } });
  expect(facts).toEqual({ rows: 3 });
  expect(files.map((f) => f.path)).toEqual([
    'unique/00000.parquet',
    'dropped/dedup/00000.parquet',
    'keys/00000.keys',
  ]);
  const unique = await collect(readPairs(storage, 'unique/00000.parquet'));
  expect(unique.map((p) => p.wat).sort()).toEqual(['a#1', 'a#2', 'b#1']);
  expect(unique.map((p) => p.uid)).toEqual(unique.map((p) => p.uid).sort());
  const trail = await readTrail('dropped/dedup/00000.parquet');
  expect(trail.map((r) => [r.wat, r.reason, r.detail, r.similarity, r.language_confidence])).toEqual([
    ['a#3', 'duplicate', 'a#1', null, 0.25],
    ['b#2', 'duplicate', 'a#2', null, 0.5],
  ]);
});

test('all buckets together give each pair once, in the order of the uids, whatever their number', async () => {
  const name = fc.integer({ min: 0, max: 30 }).map(String);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(name, name), { maxLength: 40 }), { maxLength: 3 }),
      fc.integer({ min: 1, max: 9 }),
      async (lists, buckets) => {
        let made = 0;
        const all = lists.map((list) =>
          list.map(([u, t]) => pair(`http://h/${u}`, t, `w#${made}`, Math.fround(1 / ++made))),
        );
        const pairFiles: string[] = [];
        for (const [i, list] of all.entries())
          pairFiles.push(await writePairs(`pairs/${i}.parquet`, list, buckets));
        const found: Pair[] = [];
        const memory = new DedupMemory();
        for (let bucket = 0; bucket < buckets; bucket++) {
          const { ledgers } = await dedup({ bucket, buckets, pairFiles }, context(), storage, [], memory);
          expect(ledgers.unique && balances(ledgers.unique)).toBe(true);
          found.push(
            ...(await collect(readPairs(storage, `unique/${String(bucket).padStart(5, '0')}.parquet`))),
          );
        }
        const first = new Map<string, Pair>();
        for (const p of all.flat()) if (!first.has(p.uid)) first.set(p.uid, p);
        expect(found).toEqual([...first.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1)));
      },
    ),
    { numRuns: 15 },
  );
});

test('only the row groups of the bucket are read', async () => {
  const pairs = Array.from({ length: 4000 }, (_, i) =>
    pair(`http://h/${i}`, `text number ${i * 7919} ${'of a pair '.repeat(i % 30)}`),
  );
  const path = await writePairs('pairs/0.parquet', pairs, 16);
  let read = 0;
  const counting: Storage = {
    ...storage,
    async open(name) {
      const file = await storage.open(name);
      return {
        byteLength: file.byteLength,
        slice: (start, end = file.byteLength) => {
          // The footer is read with what else stands in the last 64 KiB: half of this file.
          if (end < file.byteLength) read += end - start;
          return file.slice(start, end);
        },
        close: () => file.close(),
      };
    },
  };
  await dedup({ bucket: 5, buckets: 16, pairFiles: [path] }, { ...context(), storage: counting });
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(((await storage.size(path)) ?? 0) / 10);
});

test.each([
  ['another number of buckets', 2, pair('http://u/', 't'), /parted into 2 buckets, not into 1/],
  ['a uid that is none', 1, { ...pair('http://u/', 't'), uid: 'ffffffffZ' as Uid }, /./],
])('%s is damage', async (_, buckets, bad, message) => {
  const path = await writePairs('pairs/0.parquet', [bad, bad], buckets);
  const run = dedup({ bucket: 0, buckets: 1, pairFiles: [path] }, context());
  await expect(run).rejects.toMatchObject({ code: 'DAMAGED', message: expect.stringMatching(message) });
  expect(await storage.list('unique')).toEqual([]);
});

test('two pairs with one uid are not taken for one', async () => {
  const bad = { ...pair('http://other/', 't'), uid: pairUid('http://u/', 't') };
  const path = await writePairs('pairs/0.parquet', [pair('http://u/', 't'), bad], 1);
  await expect(dedup({ bucket: 0, buckets: 1, pairFiles: [path] }, context())).rejects.toThrow(
    'two different pairs have the uid',
  );
});

test('pairs can lie in another folder', async () => {
  const path = await writePairs('pairs/0.parquet', [pair('http://u/', 't')], 1);
  const other = fileStorage(join(folder, 'other'));
  await dedup({ bucket: 0, buckets: 1, pairFiles: [path] }, { ...context(), storage: other }, storage);
  expect((await collect(readPairs(other, 'unique/00000.parquet'))).map((p) => p.url)).toEqual(['http://u/']);
  expect(await storage.list('unique')).toEqual([]);
});

test('rows of a file by their numbers', async () => {
  const pairs = Array.from({ length: 10 }, (_, i) => pair(`http://h/${i}`, 't'));
  await writeFile(storage, 'x.parquet', async (sink) => {
    const writer = createParquetWriter(sink, PAIR_COLUMNS);
    for (const at of [0, 4, 8])
      await writer.writeRowGroup(pairs.slice(at, Math.min(at + 4, 10)).map(pairRecord));
    await writer.finish();
  });
  expect(await collect(readPairs(storage, 'x.parquet', 3, 9))).toEqual(pairs.slice(3, 9));
  expect(await collect(readPairs(storage, 'x.parquet'))).toEqual(pairs);
  expect(await collect(readPairs(storage, 'x.parquet', 10))).toEqual([]);
});
