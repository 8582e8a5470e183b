import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parquetInfo } from '../../src/formats/index.ts';
import { type Pair, pairUid } from '../../src/schema/index.ts';
import { dedup } from '../../src/stages/dedup.ts';
import { BUCKET_COUNT_KEY, BUCKETS_KEY, createPairWriter } from '../../src/stages/pair-writer.ts';
import { bucketOf, readPairs } from '../../src/stages/tables.ts';
import { writeFile } from '../../src/stages/write-file.ts';
import { fileStorage, type Storage, withSource } from '../../src/storage/index.ts';
import { collect } from '../formats/support.ts';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-pairs-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const BUCKETS = 3;
const pairs = Array.from({ length: 500 }, (_, i): Pair => {
  // Each tenth is one that was there before.
  const n = i % 10 === 9 ? i - 9 : i;
  const [url, text] = [`http://host/${n}.jpg`, `text ${n}`];
  const place = { pageUrl: `http://host/${Math.floor(i / 7)}`, wat: `w#${Math.floor(i / 7)}` };
  return {
    uid: pairUid(url, text),
    url,
    text,
    ...place,
    license: '?',
    language: 'en',
    languageConfidence: 0.5,
  };
});

/** @param heldBytes of pairs after which they are written */
async function write(path: string, heldBytes: number): Promise<number[]> {
  await writeFile(storage, path, async (sink) => {
    const writer = createPairWriter(sink, BUCKETS, heldBytes);
    for (const pair of pairs) {
      writer.add(pair);
      if (writer.full) await writer.flush();
    }
    await writer.finish();
  });
  return withSource(storage, path, async (file) => {
    const { kvMetadata, rowGroups } = await parquetInfo(file, path);
    const groups: number[] = JSON.parse(kvMetadata.get(BUCKETS_KEY) ?? '');
    expect([kvMetadata.get(BUCKET_COUNT_KEY), groups.length]).toEqual([String(BUCKETS), rowGroups.length]);
    return groups;
  });
}

test('a WAT that fits has a row group for each bucket, in the order of the WAT', async () => {
  expect(await write('pairs/00000.parquet', 1 << 20)).toEqual([0, 1, 2]);
  const read = await collect(readPairs(storage, 'pairs/00000.parquet'));
  const expected = [0, 1, 2].flatMap((b) => pairs.filter((pair) => bucketOf(pair.uid, BUCKETS) === b));
  expect(read).toEqual(expected);
});

test('one that does not has several, and dedup finds them all', async () => {
  const groups = await write('pairs/00000.parquet', 10_000);
  expect(groups.length).toBeGreaterThan(2 * BUCKETS);
  expect(groups.slice(0, 2 * BUCKETS)).toEqual([0, 1, 2, 0, 1, 2]);
  const first = new Map<string, Pair>();
  for (const pair of pairs) if (!first.has(pair.uid)) first.set(pair.uid, pair);
  const context = { storage, signal: new AbortController().signal, progress: () => undefined };
  const unique: Pair[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    await dedup({ bucket, buckets: BUCKETS, pairFiles: ['pairs/00000.parquet'] }, context);
    unique.push(...(await collect(readPairs(storage, `unique/0000${bucket}.parquet`))));
  }
  expect(unique).toEqual([...first.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1)));
});
