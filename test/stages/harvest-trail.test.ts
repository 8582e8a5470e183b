import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import { parquetInfo, readParquetRows } from '../../src/formats/index.ts';
import { explainPair } from '../../src/pipeline/index.ts';
import { balances, dropped, kept, type Pair, pairUid } from '../../src/schema/index.ts';
import { harvest } from '../../src/stages/harvest.ts';
import { type HarvestTools, harvestEngines } from '../../src/stages/harvest-engines.ts';
import { release, releaseTrail } from '../../src/stages/release.ts';
import { DROPPED_COLUMNS } from '../../src/stages/tables.ts';
import { type FileInfo, fileStorage, type Storage } from '../../src/storage/index.ts';
import { collect } from '../formats/support.ts';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-harvest-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const context = (of = storage) => ({
  storage: of,
  signal: new AbortController().signal,
  progress: () => undefined,
});

function pair(n: number, url = `http://h/${n}`, text = `text ${n}`): Pair {
  return {
    uid: pairUid(url, text),
    url,
    text,
    pageUrl: 'http://page/',
    wat: `w#${n}`,
    license: '?',
    language: 'en',
    languageConfidence: 0.5,
  };
}

const PICTURE = await sharp({ create: { width: 8, height: 4, channels: 3, background: 'red' } })
  .png()
  .toBuffer();

/** URLs below /picture answer with a picture, which fits texts that begin with 'red'; all others with 404. */
const tools: HarvestTools = {
  images: {
    async get(url) {
      // Answers come in another order than they were asked for.
      for (let i = url.length % 3; i > 0; i--) await new Promise(setImmediate);
      if (!url.includes('/picture')) return dropped('http_status', '404');
      return kept({ bytes: new Uint8Array(PICTURE), finalUrl: url, contentType: 'image/png' });
    },
    close: async () => undefined,
  },
  model: {
    name: 'none',
    dimension: 2,
    files: {},
    contextLength: 8,
    crop: () => ({ data: new Uint8Array(3), width: 1, height: 1, cropped: true }),
    embedImages: async (images) => Float32Array.from(images.flatMap(() => [1, 0])),
    embedPixels: () => Promise.reject(new Error('not asked for')),
    embedTexts: async (texts) =>
      Float32Array.from(texts.flatMap((text) => (text.startsWith('red') ? [1, 0] : [0.25, 0.75]))),
    close: async () => undefined,
  },
  safety: { tag: () => kept('UNLIKELY') },
};

const recipe = loadRecipe('everything', { score: { minSimilarity: 0.3 } });
const engines = harvestEngines(tools, recipe, 1, tmpdir());

async function readTrail(path: string) {
  const source = await storage.open(path);
  try {
    const { rowGroups } = await parquetInfo(source, path);
    return {
      groups: rowGroups.map(({ rows }) => rows),
      rows: await collect(readParquetRows(source, DROPPED_COLUMNS)),
    };
  } finally {
    await source.close();
  }
}

test('the trail of harvest is in the order of the pairs, with the similarity where there is one', async () => {
  const pairs = [
    pair(0),
    pair(1, 'http://h/picture/1', 'red'),
    pair(2, 'http://h/picture/2', 'blue'),
    pair(3),
    pair(4, 'http://h/picture/4', 'green'),
  ];
  const { ledgers, files } = await harvest('harvest/00000-a', pairs, recipe, engines, context());
  expect(Object.values(ledgers).every(balances)).toBe(true);
  expect(files.map(({ path }) => path.split('/').at(-1)).sort()).toEqual([
    'dropped.parquet',
    'fetched.parquet',
    'images.tar',
    'img_emb.npy',
    'rows.parquet',
    'text_emb.npy',
  ]);
  const { rows } = await readTrail('harvest/00000-a/dropped.parquet');
  // These are one batch: of each, what has no image comes before what was scored.
  expect(
    rows.map((row) => [row.wat, row.reason, row.detail, row.similarity, row.language_confidence]),
  ).toEqual([
    ['w#0', 'http_status', '404', null, 0.5],
    ['w#2', 'similarity', '0.2500', 0.25, 0.5],
    ['w#3', 'http_status', '404', null, 0.5],
    ['w#4', 'similarity', '0.2500', 0.25, 0.5],
  ]);
  // Equal answers give equal bytes, whatever comes first.
  const again = await harvest('harvest/00000-b', pairs, recipe, engines, context());
  const digests = (all: readonly FileInfo[]) => all.map(({ sha256 }) => sha256);
  expect(digests(again.files)).toEqual(digests(files));
});

test('it is written while pairs still come, in groups: what is dropped is not held', async () => {
  let written = 0;
  let writtenBefore = -1;
  const counting: Storage = {
    ...storage,
    async create(path) {
      const file = await storage.create(path);
      if (!path.endsWith('dropped.parquet')) return file;
      return {
        write: async (bytes) => {
          written += bytes.length;
          await file.write(bytes);
        },
        commit: (options) => file.commit(options),
        abort: () => file.abort(),
      };
    },
  };
  function* pairs() {
    for (let n = 0; n < 12_000; n++) yield pair(n);
    writtenBefore = written;
  }
  await harvest('harvest/00000-a', pairs(), recipe, engines, context(counting));
  expect(writtenBefore).toBeGreaterThan(10_000 * 16);
  const { groups, rows } = await readTrail('harvest/00000-a/dropped.parquet');
  expect(groups).toEqual([10_000, 2000]);
  expect(rows.map(({ wat }) => wat)).toEqual(Array.from({ length: 12_000 }, (_, n) => `w#${n}`));
});

test('URLs and texts are cut at 2,048 characters, and explain finds them all the same', async () => {
  const long = pair(0, `http://h/${'u'.repeat(5000)}`, 't'.repeat(5000));
  const { files } = await harvest('harvest/00000-a', [long, pair(1)], recipe, engines, context());
  const { rows } = await readTrail('harvest/00000-a/dropped.parquet');
  expect(rows[0]).toMatchObject({
    uid: long.uid,
    url: `${long.url.slice(0, 2047)}…`,
    text: `${'t'.repeat(2047)}…`,
  });
  await releaseTrail(
    files.filter(({ path }) => path.endsWith('/dropped.parquet')),
    context(),
  );
  await release({ index: 0, parts: 1, rowStart: 0, rowEnd: 0, dimension: 2, shards: [] }, context());
  for (const name of [long.url, long.uid])
    expect(await explainPair(storage, name)).toMatchObject([{ kept: false, row: { uid: long.uid } }]);
});

test('an image that stalls holds up what is written, and nothing else', async () => {
  const pairs = Array.from({ length: 3000 }, (_, n) =>
    pair(n, `http://h/picture/${n}`, n % 2 ? 'red' : 'blue'),
  );
  // The first answer comes when all others have.
  const rest = Promise.withResolvers<void>();
  let left = pairs.length - 1;
  const stalling: HarvestTools['images'] = {
    async get(url, signal) {
      if (url === pairs[0]?.url) await rest.promise;
      const outcome = await tools.images.get(url, signal);
      if (--left === 0) rest.resolve();
      return outcome;
    },
    close: async () => undefined,
  };
  const slow = harvestEngines({ ...tools, images: stalling }, recipe, 1, tmpdir());
  const held = await harvest('harvest/00000-a', pairs, recipe, slow, context());
  const plain = await harvest('harvest/00000-b', pairs, recipe, engines, context());
  expect(held.ledgers.matched).toEqual({ in: 3000, out: 1500, dropped: { similarity: 1500 } });
  expect(held.files.map(({ sha256 }) => sha256)).toEqual(plain.files.map(({ sha256 }) => sha256));
});
