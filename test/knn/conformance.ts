import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KnnBatch, type KnnEngine, type KnnOpenOptions, openKnn, RowSet } from '../../src/knn/index.ts';
import { gaussian, mulberry } from '../support/random.ts';

const DIMENSION = 32;
const ROWS = 500;

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    const y = b[i] ?? 0;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  });
  return ab / Math.sqrt(aa * bb);
}

function vectorsOf(seed: number, rows: number): Float32Array {
  const next = gaussian(mulberry(seed));
  return Float32Array.from({ length: rows * DIMENSION }, () => next() * 3);
}

async function* inBatches(vectors: Float32Array, ids: readonly number[]): AsyncGenerator<KnnBatch> {
  const step = 128;
  for (let i = 0; i < ids.length; i += step) {
    const some = ids.slice(i, i + step);
    const rows = vectors.slice(i * DIMENSION, (i + some.length) * DIMENSION);
    yield { ids: some, vectors: rows };
  }
}

/** What every engine does, told by plain arithmetic over all vectors. Engines that estimate are to be exact at this size. */
export function describeEngine(engine: KnnEngine, threads = 0): void {
  const opened = (path: string, readOnly = true) => openedWith(path, { readOnly, threads });
  describe(`knn engine ${engine.name}, ${threads} threads`, () => {
    let folder = '';
    const vectors = vectorsOf(1, ROWS);
    const rowOf = (id: number) => vectors.subarray(id * DIMENSION, (id + 1) * DIMENSION);
    const ids = Array.from({ length: ROWS }, (_, i) => i);
    const nearest = (query: Float32Array, k: number, among: readonly number[] = ids) =>
      among
        .map((id) => ({ id, cosine: cosine(query, rowOf(id)) }))
        .sort((a, b) => b.cosine - a.cosine || a.id - b.id)
        .slice(0, k);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'knn-'));
      await engine.build(join(folder, 'main'), { dimension: DIMENSION, rows: ROWS }, inBatches(vectors, ids));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    /** An index of its own for a test that changes it. */
    const fresh = async (name: string, rows = ROWS) => {
      const path = join(folder, name);
      await engine.build(path, { dimension: DIMENSION, rows }, inBatches(vectors, ids.slice(0, rows)));
      return path;
    };

    test('finds the nearest with their exact cosines, best first', async () => {
      await using index = await opened(join(folder, 'main'));
      const queries = vectorsOf(2, 20);
      for (let q = 0; q < 20; q++) {
        const query = queries.slice(q * DIMENSION, (q + 1) * DIMENSION);
        const hits = await index.search(query, { k: 15 });
        const expected = nearest(query, 15);
        expect(hits.map((hit) => hit.id)).toEqual(expected.map((hit) => hit.id));
        hits.forEach((hit, i) => {
          expect(hit.cosine).toBeCloseTo(expected[i]?.cosine ?? Number.NaN, 6);
        });
      }
    });

    test('a stored vector is found as itself, with cosine 1', async () => {
      await using index = await opened(join(folder, 'main'));
      const [hit] = await index.search(rowOf(77).slice(), { k: 1 });
      expect(hit?.id).toBe(77);
      expect(hit?.cosine).toBeCloseTo(1, 6);
    });

    test('gives fewer hits where fewer are there', async () => {
      await using index = await opened(join(folder, 'main'));
      expect(await index.search(rowOf(0).slice(), { k: ROWS + 100 })).toHaveLength(ROWS);
      expect(await index.search(rowOf(0).slice(), { k: 0 })).toEqual([]);
    });

    test('finds the nearest among the rows of a set, of any size and with ids that are not there', async () => {
      await using index = await opened(join(folder, 'main'));
      const query = rowOf(3).slice();
      const sets = fc.oneof(
        fc.uniqueArray(fc.integer({ min: 0, max: 2 * ROWS }), { maxLength: 5 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 2 * ROWS }), { minLength: 50, maxLength: 600 }),
        fc.constant(ids),
      );
      await fc.assert(
        fc.asyncProperty(sets, fc.integer({ min: 1, max: 30 }), async (some, k) => {
          const among = RowSet.of(2 * ROWS + 1, some);
          const before = among.words.slice();
          const hits = await index.search(query, { k, among });
          const there = some.filter((id) => id < ROWS);
          expect(hits.map((hit) => hit.id)).toEqual(nearest(query, k, there).map((hit) => hit.id));
          expect(among.words).toEqual(before);
        }),
        { numRuns: 60, seed: 5 },
      );
      // A set that has no place for some rows of the index does not have them.
      const hits = await index.search(query, { k: 10, among: RowSet.of(4, [0, 3]) });
      expect(hits.map((hit) => hit.id)).toEqual([3, 0]);
    });

    test('finds all that are near enough, up to a limit', async () => {
      await using index = await opened(join(folder, 'main'));
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: ROWS - 1 }),
          fc.double({ min: -1.1, max: 1.1, noNaN: true }),
          fc.integer({ min: 0, max: ROWS }),
          fc.option(fc.uniqueArray(fc.integer({ min: 0, max: ROWS - 1 }), { maxLength: 200 }), {
            nil: undefined,
          }),
          async (id, minCosine, limit, some) => {
            const query = rowOf(id).slice();
            const hits = await index.searchRange(query, {
              ...{ minCosine, limit },
              ...(some && { among: RowSet.of(ROWS, some) }),
            });
            const expected = nearest(query, ROWS, some).filter(({ cosine }) => cosine >= minCosine);
            expect(hits.map((hit) => hit.id)).toEqual(expected.slice(0, limit).map((hit) => hit.id));
            for (const hit of hits) expect(hit.cosine).toBeGreaterThanOrEqual(minCosine);
          },
        ),
        { numRuns: 60, seed: 6 },
      );
      const [hit] = await index.searchRange(rowOf(5).slice(), { minCosine: 0.9, limit: 3, vectors: true });
      expect(cosine(hit?.vector ?? new Float32Array(), rowOf(5))).toBeCloseTo(1, 6);
      await expect(
        index.searchRange(new Float32Array(DIMENSION), { minCosine: 0, limit: 1 }),
      ).rejects.toThrow(RangeError);
    });

    test('takes an effort, which at this size changes nothing', async () => {
      await using index = await opened(join(folder, 'main'));
      const query = rowOf(11).slice();
      const all = await index.search(query, { k: 12 });
      for (const effort of [1, 4]) expect(await index.search(query, { k: 12, effort })).toEqual(all);
    });

    test('as float16 it keeps vectors to eleven bits, and measures on these', async () => {
      const path = join(folder, 'half');
      const options = { dimension: DIMENSION, rows: ROWS, precision: 'float16' } as const;
      await engine.build(path, options, inBatches(vectors, ids));
      await using index = await opened(path);
      const stored = (await index.fetch([9])).get(9) ?? new Float32Array();
      const norm = Math.hypot(...rowOf(9));
      // Rounded to nearest: half a unit in the last place, 2^-11 of the number.
      for (const [i, x] of stored.entries())
        expect(Math.abs(x - (rowOf(9)[i] ?? 0) / norm)).toBeLessThanOrEqual(
          2 ** -11 * Math.abs(x) + 2 ** -25,
        );
      const query = rowOf(300).slice();
      const hits = await index.search(query, { k: 5, vectors: true });
      expect(hits.map((hit) => hit.id)).toEqual(nearest(query, 5).map((hit) => hit.id));
      const unit = query.map((x) => x / Math.hypot(...query));
      for (const { vector, cosine: given } of hits)
        expect(given).toBeCloseTo(
          unit.reduce((sum, x, i) => sum + x * (vector?.[i] ?? 0), 0),
          6,
        );
    });

    test('equal vectors come in order of their ids', async () => {
      const path = join(folder, 'ties');
      const one = vectorsOf(9, 1);
      const same = new Float32Array(300 * DIMENSION);
      for (let i = 0; i < 300; i++) same.set(one, i * DIMENSION);
      const shuffled = Array.from({ length: 300 }, (_, i) => (i * 7) % 300);
      await engine.build(path, { dimension: DIMENSION, rows: 300 }, inBatches(same, shuffled));
      await using index = await opened(path);
      for (const k of [1, 2, 30, 300]) {
        const hits = await index.search(one, { k });
        expect(hits.map((hit) => hit.id)).toEqual(ids.slice(0, k));
      }
    });

    test('fetches vectors, normalised, of the ids that are there', async () => {
      await using index = await opened(join(folder, 'main'));
      const found = await index.fetch([5, 499, 500, 5]);
      expect([...found.keys()].sort()).toEqual([499, 5]);
      const vector = found.get(5) ?? new Float32Array();
      expect(cosine(vector, rowOf(5))).toBeCloseTo(1, 6);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
      expect(await index.fetch([])).toEqual(new Map());
    });

    test('hits carry their vectors where asked for', async () => {
      await using index = await opened(join(folder, 'main'));
      const hits = await index.search(rowOf(8).slice(), { k: 3, vectors: true });
      expect(hits).toHaveLength(3);
      for (const hit of hits)
        expect(cosine(hit.vector ?? new Float32Array(), rowOf(hit.id))).toBeCloseTo(1, 6);
      expect(await index.search(rowOf(8).slice(), { k: 1 })).not.toHaveProperty('0.vector');
    });

    test('added vectors are found at once, removed ones never again, also after it is opened anew', async () => {
      const path = await fresh('changed', 100);
      const added = rowOf(321).slice();
      {
        await using index = await opened(path, false);
        await index.add({
          ids: [321, 4],
          vectors: Float32Array.from([...added, ...added]),
        });
        expect((await index.search(added, { k: 2 })).map((hit) => hit.id)).toEqual([4, 321]);
        expect(await index.remove([4, 5, 4000])).toBe(2);
        expect((await index.search(added, { k: 2 })).map((hit) => hit.id)[0]).toBe(321);
        expect((await index.fetch([4, 5])).size).toBe(0);
        expect((await index.stats()).rows).toBe(99);
      }
      await using again = await opened(path);
      const hits = await again.search(added, { k: 100 });
      expect(hits.map((hit) => hit.id)).toEqual(
        nearest(added, 100, [...ids.slice(0, 4), ...ids.slice(6, 100), 321]).map((hit) => hit.id),
      );
    });

    test('what is removed is in no file of the index', async () => {
      const path = await fresh('forgotten', 100);
      let gone = new Float32Array();
      {
        await using index = await opened(path, false);
        gone = Float32Array.from((await index.fetch([7])).get(7) ?? []);
        await index.remove([7, 60]);
      }
      expect(gone).toHaveLength(DIMENSION);
      const bits = (from: Float32Array, i: number) => Buffer.from(from.slice(i, i + 4).buffer);
      await using index = await opened(path);
      const other = (await index.fetch([8])).get(8) ?? new Float32Array();
      const files = await readdir(path, { recursive: true, withFileTypes: true });
      const bytes = Buffer.concat(
        await Promise.all(
          files.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name))),
        ),
      );
      // Of one that stays the numbers are found, else nothing would be proved.
      expect(bytes.includes(bits(other, 4))).toBe(true);
      for (let i = 0; i < DIMENSION; i += 4) expect(bytes.includes(bits(gone, i))).toBe(false);
    });

    test('an index without rows is an index', async () => {
      const path = await fresh('empty', 0);
      await using index = await opened(path);
      expect(await index.search(rowOf(0).slice(), { k: 5 })).toEqual([]);
      expect(await index.stats()).toMatchObject({ engine: engine.name, rows: 0, dimension: DIMENSION });
    });

    test('two readers at once', async () => {
      await using one = await opened(join(folder, 'main'));
      await using two = await opened(join(folder, 'main'));
      const query = rowOf(42).slice();
      expect(await one.search(query, { k: 5 })).toEqual(await two.search(query, { k: 5 }));
    });

    test.each([
      ['of another dimension', new Float32Array(DIMENSION - 1).fill(1)],
      ['of length zero', new Float32Array(DIMENSION)],
      ['with NaN', new Float32Array(DIMENSION).fill(Number.NaN)],
    ])('refuses a query %s and goes on', async (_, query) => {
      await using index = await opened(join(folder, 'main'));
      await expect(index.search(query, { k: 1 })).rejects.toThrow(RangeError);
      expect(await index.search(rowOf(1).slice(), { k: 1 })).toHaveLength(1);
    });

    test('refuses writes when open for reading, and everything when closed', async () => {
      const index = await openKnn(join(folder, 'main'));
      const batch = { ids: [900], vectors: rowOf(0).slice() };
      await expect(index.add(batch)).rejects.toThrow();
      await expect(index.remove([0])).rejects.toThrow();
      await index.close();
      await index.close();
      await expect(index.search(rowOf(0).slice(), { k: 1 })).rejects.toThrow(/closed/);
    });

    test('a folder that holds no index is refused in one line', async () => {
      await expect(openKnn(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'DAMAGED' });
      await expect(engine.open(folder)).rejects.toMatchObject({ code: 'DAMAGED' });
    });

    test('a build ends when its signal is given', async () => {
      const stop = new AbortController();
      async function* endless(): AsyncGenerator<KnnBatch> {
        for (let i = 0; ; i++) {
          if (i === 2) stop.abort(new Error('stopped'));
          yield { ids: [i], vectors: rowOf(i).slice() };
        }
      }
      const building = engine.build(
        join(folder, 'stopped'),
        { dimension: DIMENSION, rows: 10, signal: stop.signal },
        endless(),
      );
      await expect(building).rejects.toThrow('stopped');
    });
  });
}

async function openedWith(path: string, options: KnnOpenOptions) {
  const index = await openKnn(path, options);
  return Object.assign(index, { [Symbol.asyncDispose]: () => index.close() });
}
