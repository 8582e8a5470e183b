import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { addToIndex } from '../../src/executors/index.ts';
import { type SearchResponse, type Service, startService } from '../../src/service/index.ts';
import { LiveIndex } from '../../src/service/live-index.ts';
import type { OpenedIndex } from '../../src/service/opened-index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { numbered } from './added-release.ts';
import { shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** A release of rows 0 to 49, and one of rows 40 to 74: 25 are added. */
describe('an index that is changed while it is served', () => {
  let root = '';
  let all: Sample[] = [];
  const at = (name: string) => join(root, name);
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'live-index-'));
    all = await samples();
    await writeRelease(at('later'), numbered(all.slice(40)));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  async function indexed(name: string): Promise<string> {
    await writeRelease(at(name), all.slice(0, 50));
    await indexRelease({ dir: at(name) }, stageContext(at(name)));
    return at(name);
  }
  const look = <T>(found: () => T | Promise<T>) => vi.waitFor(found, { timeout: 10_000, interval: 20 });

  describe('a service', () => {
    let service: Service;
    let dir = '';
    const failures: unknown[] = [];
    const ask = async (path: string, body?: unknown) => {
      const headers = { 'Content-Type': 'application/json' };
      const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
      return fetch(new URL(path, service.url), init);
    };
    const searched = async (body: unknown) =>
      (await (await ask('/api/v1/search', body)).json()) as SearchResponse;
    beforeAll(async () => {
      dir = await indexed('served');
      const onError = (error: unknown) => failures.push(error);
      service = await startService({ dir, port: 0, embedder: shapeEmbedder, onError });
    });
    afterAll(async () => {
      await service.close();
      expect(failures).toEqual([]);
    });

    test('finds rows that were added, by vectors, words and filters, with their pictures', async () => {
      const { row, image } = all[60] ?? {};
      const etag = (await ask('/images/3.jpg')).headers.get('etag');
      const infos = async () => (await ask('/api/v1/map/info')).json();
      expect(await infos()).toMatchObject({ rows: 50, added: 0 });
      await addToIndex(dir, at('later'));
      await look(async () => expect(await (await ask('/healthz')).json()).toMatchObject({ rows: 75 }));
      const byText = await searched({ query: [{ text: row?.text ?? '' }], modality: 'text', limit: 5 });
      expect(byText.results.map(({ url }) => url)).toContain(row?.url);
      const [byWords] = (await searched({ keywords: `number ${60}`, nsfw: true, limit: 1 })).results;
      expect(byWords).toMatchObject({ id: 60, url: row?.url, pageUrl: row?.pageUrl });
      const counts = await (await ask('/api/v1/counts', { nsfw: true })).json();
      expect(counts).toMatchObject({ rows: 75 });
      expect(await (await ask('/api/v1/rows/60')).json()).toMatchObject({
        kept: [{ step: 'pair' }, {}, {}, {}],
      });
      const picture = await ask('/images/60.jpg');
      expect(Buffer.from(await picture.arrayBuffer()).equals(image ?? Buffer.alloc(0))).toBe(true);
      expect((await ask('/images/3.jpg')).headers.get('etag')).toBe(etag);
      expect(await infos()).toMatchObject({ rows: 50, added: 25 });
      const all75 = await (
        await ask('/knn-service', { text: 'red circle', num_images: 75, nsfw: true })
      ).json();
      expect(all75).toHaveLength(75);
    });

    test('serves an index that was made anew, and one that is none for it not', async () => {
      await indexRelease({ dir, map: false }, stageContext(dir));
      await look(async () => expect(await (await ask('/healthz')).json()).toMatchObject({ rows: 50 }));
      const stats = JSON.parse(Buffer.from(await fileStorage(dir).read('release/stats.json')).toString());
      await fileStorage(dir).put(
        'release/stats.json',
        JSON.stringify({ ...stats, model: { ...stats.model, files: { 'other.onnx': 'f'.repeat(64) } } }),
      );
      await indexRelease({ dir }, stageContext(dir));
      await look(() => expect(failures).toHaveLength(1));
      expect(failures.pop()).toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('is not the one that'),
      });
      expect((await searched({ query: [{ text: 'red circle' }] })).results.length).toBeGreaterThan(0);
    });
  });

  test('what has begun ends with the index that it began with, which is closed then', async () => {
    const dir = await indexed('held');
    const live = await LiveIndex.open(dir);
    const { promise, resolve } = Promise.withResolvers<void>();
    const under = live.hold(async () => {
      const { image } = live.index;
      await promise;
      expect(live.index.image).toBe(image);
      expect(live.index.rows.places).toBe(50);
      await image.fetch([0]);
      return image;
    });
    await addToIndex(dir, at('later'));
    await look(() => expect(live.index.rows.places).toBe(75));
    expect(await live.hold(async () => live.index.rows.places)).toBe(75);
    resolve();
    const image = await under;
    await look(() => expect(image.fetch([0])).rejects.toThrow('closed'));
    await live.close();
  });

  test('ten of them, one after the other, leave nothing of the others', async () => {
    const dir = await indexed('ten');
    const live = await LiveIndex.open(dir);
    const opened: WeakRef<OpenedIndex['fields']>[] = [];
    const files = async () => (await readdir('/proc/self/fd').catch(() => [])).length;
    // With its threads begun.
    const words = () => live.hold(() => live.index.captions.search('circle', { k: 3 }));
    await words();
    const before = await files();
    for (let i = 0; i < 10; i++) {
      opened.push(new WeakRef(live.index.fields));
      const places = i % 2 === 0 ? 75 : 50;
      if (i % 2 === 0) await addToIndex(dir, at('later'));
      else await indexRelease({ dir, map: false }, stageContext(dir));
      await look(() => expect(live.index.rows.places).toBe(places));
      await words();
    }
    // The map, which the second index and those after it have not, was one file.
    await look(async () => expect(await files()).toBeLessThanOrEqual(before));
    await look(() => {
      collect();
      expect(opened.flatMap((ref) => ref.deref() ?? [])).toEqual([]);
    });
    await live.close();
  });
});
