import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ivfEngine, type KnnBatch, type KnnIndex, openKnn, RowSet } from '../../src/knn/index.ts';
import { loadIvf } from '../../src/knn/ivf-load.ts';
import { parsePlan } from '../../src/knn/ivf-plan.ts';
import { IvfSearcher } from '../../src/knn/ivf-search.ts';
import { readLayout } from '../../src/knn/layout.ts';
import { gaussian, mulberry } from '../support/random.ts';

/** Enough for cells: a smaller index is flat. */
const ROWS = 24_000;
const DIMENSION = 48;
const CLUSTERS = 300;

/** Rows around centres, of length 1: what embeddings look like. */
function clustered(seed: number, rows: number): Float32Array {
  const centres = normal(7, CLUSTERS * DIMENSION);
  const next = mulberry(seed);
  const noise = normal(seed + 1, rows * DIMENSION);
  const out = new Float32Array(rows * DIMENSION);
  for (let r = 0; r < rows; r++) {
    const at = Math.floor(next() * CLUSTERS) * DIMENSION;
    let square = 0;
    for (let i = 0; i < DIMENSION; i++) {
      const x = (centres[at + i] ?? 0) + 0.6 * (noise[r * DIMENSION + i] ?? 0);
      out[r * DIMENSION + i] = x;
      square += x * x;
    }
    for (let i = 0; i < DIMENSION; i++)
      out[r * DIMENSION + i] = (out[r * DIMENSION + i] ?? 0) / Math.sqrt(square);
  }
  return out;
}

function normal(seed: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, gaussian(mulberry(seed)));
}

async function* inBatches(vectors: Float32Array, firstId = 0): AsyncGenerator<KnnBatch> {
  const rows = vectors.length / DIMENSION;
  for (let start = 0; start < rows; start += 1000) {
    const end = Math.min(start + 1000, rows);
    const ids = Array.from({ length: end - start }, (_, i) => firstId + start + i);
    yield { ids, vectors: vectors.slice(start * DIMENSION, end * DIMENSION) };
  }
}

describe('an IVF index with cells', () => {
  const vectors = clustered(1, ROWS);
  const queries = clustered(2, 40);
  const rowOf = (id: number, of = vectors) => of.slice(id * DIMENSION, (id + 1) * DIMENSION);
  const query = (q: number) => rowOf(q, queries);
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ivf-'));
    await build('main');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function build(name: string, rows = vectors): Promise<string> {
    const path = join(folder, name);
    await ivfEngine.build(path, { dimension: DIMENSION, rows: ROWS, precision: 'float16' }, inBatches(rows));
    return path;
  }

  /** The true neighbours, by plain arithmetic. */
  function nearest(vector: Float32Array, k: number, among = (_: number) => true): number[] {
    const all: [number, number][] = [];
    for (let id = 0; id < ROWS; id++) {
      if (!among(id)) continue;
      let sum = 0;
      for (let i = 0; i < DIMENSION; i++) sum += (vector[i] ?? 0) * (vectors[id * DIMENSION + i] ?? 0);
      all.push([sum, id]);
    }
    return all
      .sort((a, b) => b[0] - a[0])
      .slice(0, k)
      .map(([, id]) => id);
  }

  async function recall(index: KnnIndex, k: number, effort: number): Promise<number> {
    let found = 0;
    for (let q = 0; q < 40; q++) {
      const ids = new Set((await index.search(query(q), { k, effort })).map((hit) => hit.id));
      found += nearest(query(q), k).filter((id) => ids.has(id)).length;
    }
    return found / (40 * k);
  }

  test('has cells, and finds nearly all of the nearest; with all cells looked at, all', async () => {
    const index = await openKnn(join(folder, 'main'));
    expect((await index.stats()).parameters).toMatchObject({ index: 'ivf', nList: 1024 });
    expect(await recall(index, 10, 1)).toBeGreaterThan(0.95);
    expect(await recall(index, 10, 1000)).toBeGreaterThan(0.999);
    expect(await recall(index, 100, 1000)).toBeGreaterThan(0.999);
    await index.close();
  });

  test('threads find what the caller’s thread finds, many at once', async () => {
    const [one, many] = [
      await openKnn(join(folder, 'main')),
      await openKnn(join(folder, 'main'), { threads: 3 }),
    ];
    const among = RowSet.of(
      ROWS,
      Array.from({ length: ROWS / 2 }, (_, i) => 2 * i),
    );
    const all = Array.from({ length: 40 }, (_, q) =>
      [{ k: 10 }, { k: 30, among }].map((o) => [query(q), o] as const),
    );
    const expected = await Promise.all(all.flat().map(([vector, options]) => one.search(vector, options)));
    const got = await Promise.all(all.flat().map(([vector, options]) => many.search(vector, options)));
    expect(got).toEqual(expected);
    await Promise.all([one.close(), many.close()]);
  });

  test.each([2, 10, 100, 1000, 6000])('among one in %i rows it finds the nearest of those', async (every) => {
    const index = await openKnn(join(folder, 'main'));
    const isIn = (id: number) => id % every === 1;
    const among = RowSet.of(ROWS, Array.from({ length: ROWS }, (_, id) => id).filter(isIn));
    let found = 0;
    let wanted = 0;
    for (let q = 0; q < 40; q++) {
      const hits = await index.search(query(q), { k: 10, among });
      expect(hits.every(({ id }) => isIn(id))).toBe(true);
      const expected = nearest(query(q), 10, isIn);
      expect(hits).toHaveLength(expected.length);
      wanted += expected.length;
      found += expected.filter((id) => hits.some((hit) => hit.id === id)).length;
    }
    expect(found / wanted).toBeGreaterThan(0.97);
    await index.close();
  });

  test('cells that have no room in memory are read from their file, with the same hits', async () => {
    const path = join(folder, 'main');
    const plan = parsePlan((await readLayout(path)).parameters);
    if (!plan) throw new Error('no plan');
    const inMemory = new IvfSearcher(loadIvf(path, DIMENSION, plan));
    for (const bytes of [0, 300_000]) {
      const fromFile = new IvfSearcher(loadIvf(path, DIMENSION, plan, bytes));
      for (let q = 0; q < 20; q++)
        expect(fromFile.search(query(q), { k: 10 })).toEqual(inMemory.search(query(q), { k: 10 }));
    }
  });

  test('what is added is found, however often; what is removed is not, and nothing of it is left', async () => {
    const path = await build('changed');
    const more = clustered(5, 3000);
    let index = await openKnn(path, { readOnly: false });
    for (let start = 0; start < 3000; start += 250) {
      const ids = Array.from({ length: 250 }, (_, i) => ROWS + start + i);
      await index.add({ ids, vectors: more.slice(start * DIMENSION, (start + 250) * DIMENSION) });
    }
    expect((await index.stats()).rows).toBe(ROWS + 3000);
    const gone = Array.from({ length: 500 }, (_, i) => i * 50).concat(ROWS + 7, ROWS + 2999);
    expect(await index.remove(gone)).toBe(502);
    const check = async () => {
      expect((await index.stats()).rows).toBe(ROWS + 3000 - 502);
      for (const id of [ROWS + 6, ROWS + 8, ROWS + 2998])
        expect((await index.search(rowOf(id - ROWS, more), { k: 1 }))[0]?.id).toBe(id);
      for (const id of [0, 50, 24_950, ROWS + 7])
        expect(
          (await index.search(id < ROWS ? rowOf(id) : rowOf(id - ROWS, more), { k: 1 }))[0]?.id,
        ).not.toBe(id);
      expect((await index.fetch([50, 51])).has(50)).toBe(false);
    };
    await check();
    await index.close();
    index = await openKnn(path, { threads: 1 });
    await check();
    await index.close();
    const pattern = new Uint16Array(await halves(rowOf(50)));
    for (const name of await readdir(path)) {
      const bytes = await readFile(join(path, name));
      expect(bytes.includes(Buffer.from(pattern.buffer)), name).toBe(false);
    }
    // Segments are joined as they come: never many.
    expect((await readdir(path)).filter((name) => name.endsWith('.ids')).length).toBeLessThan(6);
  });

  test('a removal that was stopped in the middle is ended by the next', async () => {
    const path = await build('stopped');
    const pattern = Buffer.from(new Uint16Array(await halves(rowOf(50))).buffer);
    const isLeft = async () => (await readFile(join(path, '0.vectors'))).includes(pattern);
    expect(await isLeft()).toBe(true);
    // What is overwritten last is what the next attempt finds rows by: so nothing of them is forgotten.
    for (const missing of ['0.vectors', '0.factors', '0.high', '0.low']) {
      const index = await openKnn(path, { readOnly: false });
      await rename(join(path, missing), join(path, 'away'));
      await expect(index.remove([50]), missing).rejects.toThrow();
      await rename(join(path, 'away'), join(path, missing));
      await index.close();
    }
    const index = await openKnn(path, { readOnly: false });
    expect(await index.remove([50])).toBe(1);
    await index.close();
    expect(await isLeft()).toBe(false);
  });

  test('the same rows give the same files', async () => {
    const [one, two] = [join(folder, 'main'), await build('again')];
    for (const name of await readdir(one))
      expect((await readFile(join(two, name))).equals(await readFile(join(one, name))), name).toBe(true);
  });

  test('damage is told, not searched', async () => {
    for (const [file, harm] of [
      ['0.high', (path: string) => truncate(path, 1000)],
      ['0.vectors', (path: string) => rm(path)],
      ['0.lists', (path: string) => writeFile(path, Buffer.alloc(4 * 1025, 1))],
      ['centres.bytes', (path: string) => truncate(path, 5)],
      ['segments.json', (path: string) => writeFile(path, '[{"number":0,"rows":99}]')],
    ] as const) {
      const path = join(folder, `damaged-${file}`);
      await cp(join(folder, 'main'), path, { recursive: true });
      await harm(join(path, file));
      await expect(openKnn(path), file).rejects.toMatchObject({ code: 'DAMAGED' });
    }
  });

  test('effort is set in the layout, whatever else is there, and holds when it is opened', async () => {
    const [main, alone] = [join(folder, 'main'), join(folder, 'layout-alone')];
    await mkdir(alone);
    await cp(join(main, 'knn.json'), join(alone, 'knn.json'));
    const { parameters: before } = await readLayout(main);
    const parameters = await ivfEngine.setEffort(alone, 1.5);
    expect(parameters).toEqual({
      ...before,
      nProbe: Math.ceil(Number(before.nProbe) * 1.5),
      reach: Number(before.reach) * 1.5,
    });
    expect(await readLayout(alone)).toEqual({ ...(await readLayout(main)), parameters });
    const path = join(folder, 'tuned');
    await cp(main, path, { recursive: true });
    await cp(join(alone, 'knn.json'), join(path, 'knn.json'));
    const index = await openKnn(path);
    expect((await index.stats()).parameters).toEqual(parameters);
    await index.close();
  });

  test('an id that comes twice is refused', async () => {
    const twice = async function* (): AsyncGenerator<KnnBatch> {
      yield { ids: [3, 4], vectors: vectors.slice(0, 2 * DIMENSION) };
      yield { ids: [4], vectors: vectors.slice(0, DIMENSION) };
    };
    const building = ivfEngine.build(join(folder, 'twice'), { dimension: DIMENSION, rows: 3 }, twice());
    await expect(building).rejects.toThrow('id 4 comes twice');
  });
});

async function halves(row: Float32Array): Promise<Uint16Array> {
  const { toFloat16 } = await import('../../src/formats/index.ts');
  return toFloat16(row);
}
