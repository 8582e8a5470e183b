import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createParquetWriter, readParquetColumns, readTar } from '../../src/formats/index.ts';
import { writeManifest } from '../../src/pipeline/manifest.ts';
import { taskFingerprint } from '../../src/pipeline/task.ts';
import { verifyRun } from '../../src/pipeline/verify.ts';
import type { Row } from '../../src/schema/index.ts';
import { harvestFiles } from '../../src/stages/harvested.ts';
import { type ReleaseTask, release } from '../../src/stages/release.ts';
import { releaseFiles } from '../../src/stages/released.ts';
import type { ShardInRelease } from '../../src/stages/taken-rows.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { madeEmbedding, madeImage, madeRow, writeMadeShard } from '../support/made-shard.ts';
import { releaseRecord, sampleJson } from '../support/released-row.ts';
import { treeOf } from '../support/tree.ts';

const DIMENSION = 3;
let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-release-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const context = () => ({
  storage,
  signal: new AbortController().signal,
  progress: () => undefined,
});

interface MadeShard {
  readonly numbers: readonly number[];
  /** Rows, by their place in the shard. */
  readonly leftOut?: readonly number[];
}

/** Writes shards and plans them as the pipeline does. */
async function planned(shards: readonly MadeShard[], group?: number): Promise<readonly ShardInRelease[]> {
  const out: ShardInRelease[] = [];
  let firstRow = 0;
  for (const [i, { numbers, leftOut }] of shards.entries()) {
    await writeMadeShard(storage, `harvest/${i}`, numbers, {
      dimension: DIMENSION,
      ...(group !== undefined && { group }),
    });
    const path = `near/${i}.parquet`;
    if (leftOut) await writeLeftOut(path, leftOut);
    const rows = numbers.length - (leftOut?.length ?? 0);
    out.push({ firstRow, rows, files: harvestFiles(`harvest/${i}`), ...(leftOut && { leftOut: path }) });
    firstRow += rows;
  }
  return out;
}

async function writeLeftOut(path: string, rows: readonly number[]): Promise<void> {
  const file = await storage.create(path);
  const table = createParquetWriter(file, [
    { name: 'row', type: 'int32' },
    { name: 'uid', type: 'string' },
  ] as const);
  await table.writeRowGroup(rows.map((row) => ({ row, uid: `of ${row}` })));
  await table.finish();
  await file.commit();
}

/** Releases shards in parts. @returns what each part's stage said */
async function releaseParts(
  shards: readonly ShardInRelease[],
  parts: number,
  removed: ReadonlySet<string> = new Set(),
) {
  const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
  const results = [];
  for (let index = 0; index < parts; index++) {
    const [rowStart, rowEnd] = [Math.floor((index * rows) / parts), Math.floor(((index + 1) * rows) / parts)];
    const mine = shards.filter((s) => s.firstRow < rowEnd && s.firstRow + s.rows > rowStart);
    const task: ReleaseTask = { index, parts, rowStart, rowEnd, dimension: DIMENSION, shards: mine, removed };
    results.push(await release(task, context()));
  }
  return results;
}

/** What a part holds, read by other means than our own Parquet and npy readers. */
async function contentOf(part: number, parts: number) {
  const files = releaseFiles(part, parts);
  const file = await asyncBufferFromFile(join(folder, files.metadata));
  const rows = await parquetReadObjects({ file, compressors });
  const members: Record<string, string> = {};
  for await (const { name, bytes } of readTar(storage.stream(files.images)))
    members[name] = Buffer.from(bytes ?? []).toString();
  return {
    rows,
    members,
    image: await halves(files.imageEmbeddings),
    text: await halves(files.textEmbeddings),
  };
}

/** A float16 matrix by hand: NumPy's format says where it begins and what its shape is. */
async function halves(path: string): Promise<number[][]> {
  const bytes = await readFile(join(folder, path));
  const header = bytes.subarray(10, 10 + bytes.readUInt16LE(8)).toString('latin1');
  const [, rows = '', columns = ''] = /'shape': \((\d+), (\d+)\)/.exec(header) ?? [];
  const view = new DataView(bytes.buffer, bytes.byteOffset + 10 + bytes.readUInt16LE(8));
  expect(view.byteLength).toBe(Number(rows) * Number(columns) * 2);
  return Array.from({ length: Number(rows) }, (_, r) =>
    Array.from({ length: Number(columns) }, (_, c) => view.getFloat16(2 * (r * Number(columns) + c), true)),
  );
}

/** What a part has to hold. */
function expected(rows: readonly { readonly id: number; readonly n: number }[]) {
  const keyOf = (id: number) => String(id).padStart(12, '0');
  const released = (id: number, n: number): Row => ({ ...madeRow(n), sampleId: BigInt(id), key: keyOf(id) });
  return {
    rows: rows.map(({ id, n }) => releaseRecord(released(id, n))),
    members: Object.fromEntries(
      rows.flatMap(({ id, n }) => [
        [`${keyOf(id)}.jpg`, Buffer.from(madeImage(n)).toString()],
        [`${keyOf(id)}.json`, sampleJson(released(id, n))],
        [`${keyOf(id)}.txt`, madeRow(n).text],
      ]),
    ),
    image: rows.map(({ n }) => [...madeEmbedding(n, 'image', DIMENSION)]),
    text: rows.map(({ n }) => [...madeEmbedding(n, 'text', DIMENSION)]),
  };
}

describe('a release', () => {
  it('does not take or number rows that are left out', async () => {
    const shards = await planned([
      { numbers: [10, 11, 12, 13, 14], leftOut: [0, 3] },
      { numbers: [20, 21] },
      { numbers: [30, 31, 32], leftOut: [0, 1, 2] },
      { numbers: [40, 41, 42], leftOut: [2] },
    ]);
    const results = await releaseParts(shards, 2);
    expect(results.map(({ facts }) => facts)).toEqual([
      { rows: 3, removed: 0 },
      { rows: 4, removed: 0 },
    ]);
    const rows = [11, 12, 14, 20, 21, 40, 41].map((n, id) => ({ id, n }));
    expect(await contentOf(0, 2)).toEqual(expected(rows.slice(0, 3)));
    expect(await contentOf(1, 2)).toEqual(expected(rows.slice(3)));
  });

  it('numbers rows that were taken down, and does not write them', async () => {
    const shards = await planned([{ numbers: [10, 11, 12] }, { numbers: [20, 21, 22, 23], leftOut: [1] }]);
    const removed = new Set([10, 12, 21, 23].map((n) => madeRow(n).uid));
    const results = await releaseParts(shards, 2, removed);
    expect(results.map(({ facts }) => facts)).toEqual([
      { rows: 1, removed: 2 },
      { rows: 2, removed: 1 },
    ]);
    expect(await contentOf(0, 2)).toEqual(expected([{ id: 1, n: 11 }]));
    expect(await contentOf(1, 2)).toEqual(
      expected([
        { id: 3, n: 20 },
        { id: 4, n: 22 },
      ]),
    );
  });

  it('holds the same rows, whatever shards, row groups, parts, what is left out and what was taken down', async () => {
    const shard = fc.array(fc.constantFrom('stays', 'left out', 'removed'), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(shard, { maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (fates, parts, group) => {
          await rm(folder, { recursive: true });
          let n = 0;
          const made = fates.map((shard) => shard.map((fate) => ({ fate, n: n++ })));
          const shards = await planned(
            made.map((rows) => ({
              numbers: rows.map((row) => row.n),
              leftOut: rows.flatMap(({ fate }, i) => (fate === 'left out' ? [i] : [])),
            })),
            group,
          );
          const numbered = made.flat().filter(({ fate }) => fate !== 'left out');
          const removed = new Set(
            numbered.filter(({ fate }) => fate === 'removed').map((row) => madeRow(row.n).uid),
          );
          await releaseParts(shards, parts, removed);
          const all = numbered.map(({ fate, n }, id) => ({ fate, n, id }));
          for (let p = 0; p < parts; p++) {
            const [from, to] = [p, p + 1].map((at) => Math.floor((at * all.length) / parts));
            expect(await contentOf(p, parts)).toEqual(
              expected(all.slice(from, to).filter(({ fate }) => fate === 'stays')),
            );
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('keeps nothing of a row that was taken down, not in a dictionary either', async () => {
    // Of these rows, number 4 alone has tags.
    const shards = await planned([{ numbers: [1, 2, 3, 4, 5, 6, 7] }]);
    const dictionaryOf = async () => {
      const source = await storage.open(releaseFiles(0, 1).metadata);
      const [values] = await Array.fromAsync(
        readParquetColumns(source, [{ name: 'tags', type: 'string' }], 0),
      );
      await source.close();
      return values?.kind === 'dictionary' ? Buffer.from(values.dictionary.bytes).toString() : undefined;
    };
    await releaseParts(shards, 1);
    expect(await dictionaryOf()).toContain('a b');
    await releaseParts(shards, 1, new Set([madeRow(4).uid]));
    expect(await dictionaryOf()).not.toContain('a b');
  });

  it('says the least and greatest number of a row group', async () => {
    await releaseParts(await planned([{ numbers: [3, 8, 5] }, { numbers: [6, 4] }]), 1);
    const file = await asyncBufferFromFile(join(folder, releaseFiles(0, 1).metadata));
    const { row_groups: groups } = await parquetMetadataAsync(file);
    const bounds = Object.fromEntries(
      (groups[0]?.columns ?? []).map(({ meta_data: meta }) => [
        meta?.path_in_schema[0],
        [meta?.statistics?.min_value, meta?.statistics?.max_value],
      ]),
    );
    expect(groups).toHaveLength(1);
    expect(bounds).toMatchObject({
      SAMPLE_ID: [0n, 4n],
      WIDTH: [1003, 1008],
      similarity: [0.3 + 1 / 16, 0.3 + 6 / 16],
      language_confidence: [0.5, 0.5],
      key: ['000000000000', '000000000004'],
    });
  });

  it.each([
    [
      'another dimension',
      { dimension: 4 },
      'has embeddings of 4 numbers, where the model of this run gives 3',
    ],
    ['fewer embeddings than rows', { embedded: 2 }, 'has 2 rows, where rows.parquet beside it has 3'],
    ['embeddings of float32', { dtype: 'float32' }, 'holds float32, not float16'],
    ['images that end too soon', { images: 1024 }, 'images.tar: is cut off'],
  ] as const)('refuses a shard with %s, and leaves nothing', async (_, other, problem) => {
    await writeMadeShard(storage, 'harvest/0', [1, 2, 3], { dimension: DIMENSION });
    await writeMadeShard(storage, 'harvest/1', [4, 5, 6], { dimension: DIMENSION, ...other });
    const shards = ['harvest/0', 'harvest/1'].map((path, i) => ({
      ...{ firstRow: 3 * i, rows: 3, files: harvestFiles(path) },
    }));
    await expect(releaseParts(shards, 1)).rejects.toThrow(problem);
    expect(await readdir(join(folder, 'release'), { recursive: true })).toEqual(
      expect.not.arrayContaining([expect.stringContaining('.')]),
    );
  });

  it('names the file of a shard that is missing', async () => {
    const shards = await planned([{ numbers: [1, 2] }, { numbers: [3, 4] }]);
    await storage.remove('harvest/1/text_emb.npy');
    await expect(releaseParts(shards, 1)).rejects.toThrow(/harvest\/1\/text_emb.npy: no such file/);
    expect(await storage.list('release')).toEqual([]);
  });

  it('leaves nothing, and what was there before, wherever a disk is full', async () => {
    const shards = await planned([{ numbers: [1, 2, 3, 4] }]);
    await releaseParts(shards, 1);
    const before = await treeOf(join(folder, 'release'));
    const [whole] = await releaseParts(shards, 1, new Set([madeRow(2).uid]));
    const bytes = (whole?.files ?? []).reduce((sum, file) => sum + file.bytes, 0);
    await releaseParts(shards, 1);
    for (let room = 0; room < bytes; room += Math.ceil(bytes / 20)) {
      const full = { ...context(), storage: withRoom(storage, room) };
      const task = { index: 0, parts: 1, rowStart: 0, rowEnd: 4, dimension: DIMENSION, shards };
      await expect(release({ ...task, removed: new Set([madeRow(2).uid]) }, full)).rejects.toThrow('ENOSPC');
      expect(await treeOf(join(folder, 'release'))).toEqual(before);
    }
  });

  it.each([
    ['a row that the shard does not have', [1, 3], 'has 3 rows, not 4'],
    ['rows out of order', [1, 0], 'row 0 is out of order'],
  ])('refuses %s as left out', async (_, leftOut, problem) => {
    await writeMadeShard(storage, 'harvest/0', [1, 2, 3], { dimension: DIMENSION });
    await writeLeftOut('near/0.parquet', leftOut);
    const rows = problem.includes('order') ? 1 : 2;
    const shard = { firstRow: 0, rows, files: harvestFiles('harvest/0'), leftOut: 'near/0.parquet' };
    await expect(releaseParts([shard], 1)).rejects.toThrow(problem);
    expect(await storage.list('release')).toEqual([]);
  });
});

it('is another task where other rows are left out', () => {
  const leftOut = (sha256: string) => ({ path: 'near/0.parquet', bytes: 1, sha256 });
  const task = (of?: ReturnType<typeof leftOut>) =>
    taskFingerprint('run', {
      ...{ stage: 'release', index: 0, parts: 1, rowStart: 0, rowEnd: 1 },
      shards: [{ firstRow: 0, rows: 1, folder: 'f', sha256: ['a'], ...(of && { leftOut: of }) }],
    });
  expect(new Set([task(), task(leftOut('b')), task(leftOut('c'))]).size).toBe(3);
});

/** A storage with room for so many bytes more. */
function withRoom(of: Storage, bytes: number): Storage {
  let room = bytes;
  return {
    ...of,
    async create(path, options) {
      const file = await of.create(path, options);
      return {
        ...file,
        async write(chunk) {
          room -= chunk.length;
          if (room < 0)
            throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
          await file.write(chunk);
        },
      };
    },
  };
}

describe('verify', () => {
  /** A run that has nothing but a harvest, a release in two parts, and an empty trail. */
  async function run(removed: ReadonlySet<string>) {
    const numbers = [1, 2, 3, 4, 5, 6];
    const shards = await planned([{ numbers }]);
    const results = await releaseParts(shards, 2, removed);
    const safe = { in: numbers.length, out: numbers.length, dropped: {} };
    const files = await writeMadeShard(storage, 'harvest/0', numbers, { dimension: DIMENSION });
    await writeManifest(
      storage,
      { stage: 'harvest', index: 0, fingerprint: 'f' },
      { files, ledgers: { safe } },
      1,
    );
    for (const [index, result] of results.entries())
      await writeManifest(storage, { stage: 'release', index, fingerprint: 'f' }, result, 1);
    return results;
  }

  it('accepts gaps where rows were taken down', async () => {
    await run(new Set([2, 3, 6].map((n) => madeRow(n).uid)));
    expect(await verifyRun(storage)).toMatchObject({ rows: 3, removed: 3, problems: [] });
  });

  it.each([
    [
      'a row more than was taken down',
      { rows: 1, removed: 1 },
      /6 pairs were kept, but 4 are released and 1 taken down/,
    ],
    [
      'a row that is there and said to be taken down',
      { rows: 1, removed: 2 },
      /metadata_0.parquet has 2 rows/,
    ],
    ['a gap that nobody said', { rows: 2, removed: 0 }, /SAMPLE_ID 2 stands where 1 should/],
  ])('refuses %s', async (_, facts, problem) => {
    const [first] = await run(new Set([madeRow(2).uid]));
    if (!first) throw new Error('no part');
    await writeManifest(storage, { stage: 'release', index: 0, fingerprint: 'f' }, { ...first, facts }, 1);
    expect((await verifyRun(storage)).problems.join('\n')).toMatch(problem);
  });
});
