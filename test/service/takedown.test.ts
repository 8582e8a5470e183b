import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { indexRun, removeLocally, runLocally } from '../../src/executors/index.ts';
import { openKnn } from '../../src/knn/index.ts';
import {
  type CountsResponse,
  type SearchResponse,
  type Service,
  startService,
} from '../../src/service/index.ts';
import { INDEX_FILES } from '../../src/stages/index-files.ts';
import { readStatistics } from '../../src/stages/report/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { filesWith, type ReleasedPair, releasedPairs } from '../support/contents.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';

describe('a service that runs while pairs are taken down', () => {
  let dir: string;
  let base: ReleasedPair[];
  let service: Service;
  const failures: unknown[] = [];
  const gone = new Set<number>();

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gleaner-takedown-'));
    const crawl = await makeSmallCrawl(join(dir, 'crawl'), { wats: 1, pagesPerWat: 8 });
    await runLocally({
      recipe: 'everything',
      overrides: { release: { parts: 2 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      workers: 1,
      out: join(dir, 'out'),
    });
    await indexRun(join(dir, 'out'));
    base = await releasedPairs(join(dir, 'out'));
    service = await start();
  }, 120_000);
  afterAll(async () => {
    await service.close();
    await rm(dir, { recursive: true, force: true });
    expect(failures).toEqual([]);
  });
  beforeEach(() => {
    failures.length = 0;
  });

  async function start(): Promise<Service> {
    const { model } = await readStatistics(fileStorage(join(dir, 'out')));
    return startService({
      dir: join(dir, 'out'),
      port: 0,
      // Queries are given as vectors: nothing is embedded.
      embedder: {
        name: model.name,
        files: model.files,
        dimension: model.dimension,
        embedTexts: () => Promise.reject(new Error('no model here')),
        embedImage: () => Promise.reject(new Error('no model here')),
        close: async () => undefined,
      },
      onError: (error) => failures.push(error),
    });
  }
  const ask = async (path: string, body?: unknown) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    return fetch(new URL(path, service.url), init);
  };
  /** SAMPLE_IDs of all results, of a search for a picture that asks for as many as there ever were. */
  async function found(n: number): Promise<number[]> {
    const query = { embedding_input: base[n]?.imageEmbedding, num_images: base.length };
    const response = await ask('/knn-service', query);
    expect(response.status).toBe(200);
    const hits = (await response.json()) as { id: number; url: string }[];
    for (const { id, url } of hits) expect(url).toBe(base[id]?.row.URL);
    return hits.map(({ id }) => id).sort((a, b) => a - b);
  }
  const others = () => base.map((_, id) => id).filter((id) => !gone.has(id));

  async function takeDown(...ids: readonly number[]): Promise<void> {
    await removeLocally({
      dir: join(dir, 'out'),
      takedowns: ids.map((id) => ({ kind: 'uid' as const, hash: base[id]?.row.uid ?? '' })),
      reason: 'asked for',
      workers: 1,
    });
    for (const id of ids) gone.add(id);
  }

  async function expectGone(): Promise<void> {
    for (const id of gone) {
      expect(await found(id)).toEqual(others());
      expect((await ask(`/api/v1/rows/${id}`)).status).toBe(404);
      expect((await ask(`/images/${id}.jpg`)).status).toBe(404);
      expect((await ask('/metadata', { ids: [id] })).status).toBe(400);
      expect((await ask('/api/v1/search', { query: [{ id }] })).status).toBe(404);
    }
    const points = Buffer.from(await (await ask('/api/v1/map?nsfw=true')).arrayBuffer());
    const onMap = Array.from({ length: points.length / 12 }, (_, i) => points.readUInt32LE(i * 12));
    expect(onMap.sort((a, b) => a - b)).toEqual(others());
    for (let seed = 0; seed < 20; seed++) {
      const { results } = (await (await ask('/api/v1/search', { seed, nsfw: true, limit: 200 })).json()) as {
        results: { id: number }[];
      };
      expect(results.map(({ id }) => id).sort((a, b) => a - b)).toEqual(others());
    }
    // Tombstones hide rows before their numbers are known.
    await vi.waitFor(
      async () => expect(await (await ask('/healthz')).json()).toMatchObject({ rows: others().length }),
      { timeout: 20_000 },
    );
    expect(await (await ask('/metrics')).text()).toContain(`\ngleaner_rows ${others().length}\n`);
  }

  /** What counts and words of captions say: nothing of those that are gone. */
  async function expectUncounted(): Promise<void> {
    const counts = (await (await ask('/api/v1/counts', { nsfw: true })).json()) as CountsResponse;
    expect(counts.rows).toBe(others().length);
    const hosts = others().map((id) => new URL(base[id]?.row.URL ?? '').hostname);
    expect(counts.fields.host.map(({ value }) => value).sort()).toEqual([...new Set(hosts)].sort());
    for (const id of gone) {
      const search = { keywords: base[id]?.row.TEXT, nsfw: true, limit: 200 };
      const { results } = (await (await ask('/api/v1/search', search)).json()) as SearchResponse;
      for (const row of results) expect(gone).not.toContain(row.id);
    }
  }

  async function expectOthers(): Promise<void> {
    for (const id of others()) {
      const response = await ask(`/images/${id}.jpg`);
      expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'private, no-cache']);
      expect(Buffer.from(await response.arrayBuffer()).equals(base[id]?.jpeg ?? Buffer.alloc(0))).toBe(true);
      expect((await ask('/metadata', { ids: [id] })).status).toBe(200);
    }
  }

  test('says why a row was kept, in the words of gleaner explain', async () => {
    const { stdout } = await gleaner(['explain', join(dir, 'out'), base[3]?.row.uid ?? '', '--json']);
    const [{ steps }] = JSON.parse(stdout) as [{ steps: { step: string; facts: string }[] }];
    const { kept } = (await (await ask('/api/v1/rows/3')).json()) as {
      kept: { step: string; said: string }[];
    };
    expect(steps.length).toBeGreaterThan(4);
    expect(kept).toEqual(
      // What fetching took is not kept with the release.
      steps.map(({ step, facts }) => ({ step, said: (step === 'fetched' ? '' : facts) || 'passed' })),
    );
  });

  test('shows none of them any more, and all others as before', async () => {
    expect(await found(4)).toEqual(others());
    // Some tars are open by now, others are not.
    expect((await ask('/images/0.jpg')).status).toBe(200);
    await takeDown(0, 4, base.length - 1);
    await vi.waitFor(async () => expect(await found(4)).toEqual(others()), { timeout: 20_000 });
    await expectGone();
    await expectUncounted();
    await expectOthers();
  }, 60_000);

  test('and once more, from a part that was written anew already', async () => {
    await takeDown(1, 5);
    await vi.waitFor(async () => expect(await found(1)).toEqual(others()), { timeout: 20_000 });
    await expectGone();
    await expectUncounted();
    await expectOthers();
  }, 60_000);

  test('nor does one that begins later, and nothing of them is in the files of the index', async () => {
    await service.close();
    service = await start();
    expect(service.rows).toBe(others().length);
    await expectGone();
    await expectUncounted();
    await expectOthers();
    const engine = await openKnn(join(dir, 'out', INDEX_FILES.image));
    expect(await engine.fetch([...gone])).toEqual(new Map());
    expect((await engine.stats()).rows).toBe(others().length);
    await engine.close();
    const stay = base.filter((_, id) => !gone.has(id));
    const content = base.flatMap(({ row, jpeg }, id) =>
      gone.has(id) && !stay.some((one) => Buffer.from(one.jpeg).equals(jpeg)) ? [row.URL, jpeg] : [],
    );
    expect(content.length).toBeGreaterThan(0);
    expect(Object.keys(await filesWith(join(dir, 'out'), content))).toEqual([]);
  }, 60_000);

  test('nor does one whose index was made again meanwhile', async () => {
    await indexRun(join(dir, 'out'));
    await takeDown(8);
    await vi.waitFor(async () => expect(await found(8)).toEqual(others()), { timeout: 20_000 });
    await service.close();
    service = await start();
    await expectGone();
    await expectUncounted();
    await expectOthers();
  }, 60_000);

  test('by a tombstone alone, before anything else of the takedown is done', async () => {
    const { row } = base[10] ?? {};
    const tombstone = { takedown: 'uid', hash: row?.uid, at: '2026-11-21T12:00:00.000Z', reason: 'x' };
    await appendFile(join(dir, 'out/removed.jsonl'), `${JSON.stringify(tombstone)}\n`);
    await vi.waitFor(async () => expect((await ask('/api/v1/rows/10')).status).toBe(404), {
      timeout: 20_000,
    });
    expect(await found(10)).toEqual(others().filter((id) => id !== 10));
    for (const path of ['/images/10.jpg', '/api/v1/rows/10']) expect((await ask(path)).status).toBe(404);
    expect((await ask('/metadata', { ids: [10] })).status).toBe(400);
    expect((await ask('/api/v1/search', { query: [{ id: 10 }] })).status).toBe(404);
  }, 60_000);
});
