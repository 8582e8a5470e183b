import { mkdtemp, rm, writeFile as writeBytes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { openKnn } from '../../src/knn/index.ts';
import { indexVectorsInThread } from '../../src/stages/index-in-thread.ts';
import { type IndexVectorsTask, indexVectors } from '../../src/stages/index-vectors.ts';
import { releaseFiles } from '../../src/stages/released.ts';
import { writeFile } from '../../src/stages/write-file.ts';
import { writeMatrix } from '../../src/stages/write-matrix.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { gaussian, mulberry } from '../support/random.ts';

const [ROWS, DIMENSION, CLUSTERS] = [8000, 24, 150];

/** Numbers of a row around its cluster's centre, brought to length 1. */
function vectors(): { image: Float32Array; text: Float32Array } {
  const next = mulberry(3);
  const normal = gaussian(next);
  const centres = Array.from({ length: CLUSTERS }, () => Float32Array.from({ length: DIMENSION }, normal));
  const image = new Float32Array(ROWS * DIMENSION);
  const text = new Float32Array(ROWS * DIMENSION);
  for (let row = 0; row < ROWS; row++) {
    const centre = centres[Math.floor(next() * CLUSTERS)] ?? new Float32Array(DIMENSION);
    const picture = centre.map((x) => x + 0.5 * normal());
    // Texts lie apart from pictures, as CLIP's do: a direction of their own, and a weak copy of the picture.
    const words = picture.map((x, i) => 0.5 * x + 0.4 * normal() + (i === 0 ? 3 : 0));
    for (const [to, from] of [[image, picture] as const, [text, words] as const])
      to.set(
        from.map((x) => x / Math.hypot(...from)),
        row * DIMENSION,
      );
  }
  return { image, text };
}

describe('indexVectors', () => {
  let dir = '';
  const all = vectors();
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'index-vectors-'));
    const storage = fileStorage(dir);
    const { metadata, imageEmbeddings, textEmbeddings } = releaseFiles(0, 1);
    await writeFile(storage, metadata, async (sink) => {
      const table = createParquetWriter(sink, [{ name: 'SAMPLE_ID', type: 'int64' }] as const);
      await table.writeRowGroup(Array.from({ length: ROWS }, (_, i) => ({ SAMPLE_ID: BigInt(i) })));
      await table.finish();
    });
    const shape = { rows: ROWS, columns: DIMENSION };
    await writeMatrix(storage, imageEmbeddings, shape, [all.image]);
    await writeMatrix(storage, textEmbeddings, shape, [all.text]);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const taskOf = (name: string, targetRecall: number): IndexVectorsTask => ({
    ...{ root: dir, path: join(dir, name), kind: 'image', parts: 1, rows: ROWS, dimension: DIMENSION },
    ...{ engine: 'ivf', targetRecall },
  });
  const context = (progress: (rows: number) => void = () => undefined) => ({
    ...{ storage: fileStorage(dir), signal: new AbortController().signal, progress },
  });

  /** Ids of the ten true neighbours among pictures, by plain arithmetic. */
  function nearest(query: Float32Array, except: number): number[] {
    const cosines = Array.from({ length: ROWS }, (_, id) => {
      let sum = 0;
      for (let i = 0; i < DIMENSION; i++) sum += (query[i] ?? 0) * (all.image[id * DIMENSION + i] ?? 0);
      return { id, sum };
    });
    return cosines
      .filter(({ id }) => id !== except)
      .sort((a, b) => b.sum - a.sum)
      .slice(0, 10)
      .map(({ id }) => id);
  }

  test('tunes an index to the recall that is asked for, and certifies what plain arithmetic finds', async () => {
    const { certificate } = await indexVectors(taskOf('tuned', 0.95), context());
    const index = await openKnn(join(dir, 'tuned'));
    for (const kind of ['text', 'image'] as const) {
      const { queries, recall } = certificate.queries[kind];
      expect(queries).toBe(200);
      expect(recall[10]).toBeGreaterThanOrEqual(0.95);
      let found = 0;
      for (let q = 0; q < queries; q++) {
        const row = Math.floor((q * ROWS) / queries);
        const query = all[kind].slice(row * DIMENSION, (row + 1) * DIMENSION);
        const except = kind === 'image' ? row : -1;
        const hits = (await index.search(query, { k: 11 })).map(({ id }) => id).filter((id) => id !== except);
        const ids = new Set(hits.slice(0, 10));
        found += nearest(query, except).filter((id) => ids.has(id)).length;
      }
      // Of float16 vectors a few neighbours are others.
      expect(Math.abs(found / (10 * queries) - recall[10])).toBeLessThan(0.005);
    }
    await index.close();
  });

  test('looks further where more is asked for', async () => {
    const [some, more] = [
      await indexVectors(taskOf('some', 0.8), context()),
      await indexVectors(taskOf('more', 0.99), context()),
    ];
    const reach = ({ certificate }: typeof some) => Number(certificate.parameters.reach);
    expect(reach(more)).toBeGreaterThan(reach(some));
    expect(more.certificate.queries.text.recall[10]).toBeGreaterThanOrEqual(0.99);
  });

  test('makes the same on a thread, tells of progress, and ends when it is told to', async () => {
    let [here, there] = [0, 0];
    const one = await indexVectors(
      taskOf('here', 0.95),
      context((rows) => (here += rows)),
    );
    const two = await indexVectorsInThread(
      taskOf('there', 0.95),
      context((rows) => (there += rows)),
    );
    expect(two.stats).toEqual(one.stats);
    expect(there).toBe(here);
    const stop = new AbortController();
    const stopped = indexVectorsInThread(taskOf('stopped', 0.95), {
      ...context(() => stop.abort(new Error('enough'))),
      signal: stop.signal,
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  test('says which file does not fit, from a thread too', async () => {
    const other = await mkdtemp(join(tmpdir(), 'index-vectors-'));
    try {
      const { metadata, imageEmbeddings } = releaseFiles(0, 1);
      const storage = fileStorage(other);
      await storage.put(metadata, await fileStorage(dir).read(metadata));
      await storage.put(imageEmbeddings, '');
      await writeBytes(join(other, imageEmbeddings), 'no numbers');
      const task = { ...taskOf('wrong', 0.95), root: other, path: join(other, 'wrong') };
      await expect(indexVectorsInThread(task, context())).rejects.toMatchObject({
        code: 'DAMAGED',
        message: expect.stringContaining(imageEmbeddings),
      });
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });
});
