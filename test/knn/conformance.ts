import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type KnnBatch,
  type KnnEngine,
  type KnnFields,
  type KnnFilter,
  openKnn,
} from '../../src/knn/index.ts';
import { mulberry } from '../support/random.ts';

/** Standard normal numbers (Box-Muller). */
export function gaussian(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

const LICENSES = [
  '?',
  "it's",
  'a"b',
  'back\\slash',
  "end\\' or width >= 0 or license = '",
  'https://example.org/by/4.0/',
];

export function fieldsOf(id: number): KnnFields {
  return {
    nsfw: ['UNLIKELY', 'UNLIKELY', 'UNSURE', 'NSFW'][id % 4] ?? '',
    width: 100 + (id % 50),
    height: 200 + (id % 7),
    similarity: (id % 20) / 20,
    language: ['en', 'de', 'und', '日本'][id % 4] ?? '',
    license: LICENSES[id % LICENSES.length] ?? '',
  };
}

/** What a filter means, in the plainest words. */
function fits(fields: KnnFields, filter: KnnFilter): boolean {
  for (const name of ['nsfw', 'language', 'license'] as const)
    if (filter[name] && !filter[name].includes(fields[name])) return false;
  for (const name of ['width', 'height', 'similarity'] as const) {
    const { min, max } = filter[name] ?? {};
    if (min !== undefined && fields[name] < min) return false;
    if (max !== undefined && fields[name] > max) return false;
  }
  return true;
}

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
    yield { ids: some, vectors: rows, fields: some.map(fieldsOf) };
  }
}

/** What every engine does, told by plain arithmetic over all vectors. Engines that estimate are to be exact at this size. */
export function describeEngine(engine: KnnEngine): void {
  describe(`knn engine ${engine.name}`, () => {
    let folder = '';
    const vectors = vectorsOf(1, ROWS);
    const rowOf = (id: number) => vectors.subarray(id * DIMENSION, (id + 1) * DIMENSION);
    const ids = Array.from({ length: ROWS }, (_, i) => i);
    const nearest = (query: Float32Array, k: number, filter: KnnFilter = {}, among = ids) =>
      among
        .filter((id) => fits(fieldsOf(id), filter))
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

    test('filters by every field, hostile texts too', async () => {
      await using index = await opened(join(folder, 'main'));
      const query = rowOf(3).slice();
      const range = (min: number, max: number) =>
        fc.record(
          { min: fc.double({ min, max, noNaN: true }), max: fc.double({ min, max, noNaN: true }) },
          { requiredKeys: [] },
        );
      const some = (values: readonly string[]) =>
        fc.array(fc.constantFrom(...values, "x' or 1 = 1", '\\'), { maxLength: 3 });
      const filters = fc.record(
        {
          nsfw: some(['UNLIKELY', 'UNSURE', 'NSFW']),
          language: some(['en', 'de', 'und', '日本']),
          license: some(LICENSES),
          width: range(90, 160),
          height: range(-5, 1e12),
          similarity: range(-1, 1),
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(filters, async (filter) => {
          const hits = await index.search(query, { k: 20, filter });
          expect(hits.map((hit) => hit.id)).toEqual(nearest(query, 20, filter).map((hit) => hit.id));
        }),
        { numRuns: 60, seed: 5 },
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
          fields: [fieldsOf(321), fieldsOf(4)],
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
        nearest(added, 100, {}, [...ids.slice(0, 4), ...ids.slice(6, 100), 321]).map((hit) => hit.id),
      );
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
      const batch = { ids: [900], vectors: rowOf(0).slice(), fields: [fieldsOf(0)] };
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
          yield { ids: [i], vectors: rowOf(i).slice(), fields: [fieldsOf(i)] };
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

async function opened(path: string, readOnly = true) {
  const index = await openKnn(path, { readOnly });
  return Object.assign(index, { [Symbol.asyncDispose]: () => index.close() });
}
