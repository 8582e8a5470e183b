import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exactEngine, type KnnBatch, zvecEngine } from '../../src/knn/index.ts';
import { parsePlan, planZvec } from '../../src/knn/zvec-plan.ts';
import { mulberry } from '../support/random.ts';
import { fieldsOf, gaussian } from './conformance.ts';

describe('planZvec', () => {
  test('compares every vector up to 20,000 rows, then has cells or a graph', () => {
    expect(planZvec(20_000, true)).toEqual({ index: 'flat' });
    expect(planZvec(200_000, true)).toEqual({ index: 'ivf_rabitq', nList: 1024, nProbe: 64 });
    expect(planZvec(200_000, false)).toMatchObject({ index: 'hnsw' });
  });

  test('is read back from what is kept beside the index', () => {
    for (const plan of [planZvec(1), planZvec(1e6, true), planZvec(1e6, false)])
      expect(parsePlan({ ...plan })).toEqual(plan);
    expect(parsePlan({ index: 'ivf_rabitq', nList: -1, nProbe: 4 })).toBeUndefined();
    expect(parsePlan({})).toBeUndefined();
  });
});

describe('an index with codes, beside the exact one', () => {
  const DIMENSION = 64;
  const ROWS = 21_000;
  let folder = '';
  const next = gaussian(mulberry(3));
  const centres = Array.from({ length: 400 }, () => Float32Array.from({ length: DIMENSION }, next));
  const draw = (i: number) => centres[i % centres.length]?.map((x) => x + 0.4 * next()) ?? new Float32Array();
  const vectors = Array.from({ length: ROWS }, (_, i) => draw(i));

  async function* batches(): AsyncGenerator<KnnBatch> {
    for (let i = 0; i < ROWS; i += 4096) {
      const some = vectors.slice(i, i + 4096);
      const ids = some.map((_, j) => i + j);
      const rows = new Float32Array(some.length * DIMENSION);
      some.forEach((vector, j) => {
        rows.set(vector, j * DIMENSION);
      });
      yield { ids, vectors: rows, fields: ids.map(fieldsOf) };
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'knn-'));
    for (const engine of [exactEngine, zvecEngine])
      await engine.build(join(folder, engine.name), { dimension: DIMENSION, rows: ROWS }, batches());
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['all rows', 0.95, undefined],
    // Class and cluster go together here: what is wanted lies in cells far from the query.
    ['a quarter that shuns the cells near the query', 0.75, { nsfw: ['NSFW'] }],
    ['a hundredth', 0.95, { width: { min: 120, max: 120 }, height: { min: 200, max: 202 } }],
  ])('among %s: recall at least %d, with the very same cosines', async (_, least, filter) => {
    const exact = await exactEngine.open(join(folder, 'exact'));
    const zvec = await zvecEngine.open(join(folder, 'zvec'));
    let found = 0;
    const queries = 40;
    for (let q = 0; q < queries; q++) {
      const options = { k: 10, ...(filter && { filter }) };
      const query = draw(q * 17);
      const truth = new Map(
        (await exact.search(query, { ...options, k: ROWS })).map((hit) => [hit.id, hit.cosine]),
      );
      const hits = await zvec.search(query, options);
      expect(hits).toHaveLength(Math.min(10, truth.size));
      for (const hit of hits) expect(hit.cosine).toBe(truth.get(hit.id));
      const best = new Set([...truth.keys()].slice(0, 10));
      found += hits.filter((hit) => best.has(hit.id)).length;
    }
    expect(found / (queries * 10)).toBeGreaterThanOrEqual(least);
    await Promise.all([exact.close(), zvec.close()]);
  });
});
