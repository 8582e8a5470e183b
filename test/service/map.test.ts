import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApp } from '../../src/service/app.ts';
import type { MapInfoAnswer } from '../../src/service/map-types.ts';
import { type OpenedIndex, openIndex } from '../../src/service/opened-index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { MAP_FILES } from '../../src/stages/map/map-files.ts';
import { removeFromMap } from '../../src/stages/map/unmap.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

describe('the map of a release', () => {
  let dir = '';
  let all: Sample[] = [];
  let index: OpenedIndex;
  let app: Hono;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'map-'));
    all = await samples();
    await writeRelease(dir, all);
    await indexRelease({ dir }, stageContext(dir));
    index = await openIndex(dir);
    app = await createApp({ index, embedder: shapeEmbedder });
  });
  afterAll(async () => {
    await index.close();
    await rm(dir, { recursive: true, force: true });
  });

  interface Point {
    readonly id: number;
    readonly x: number;
    readonly y: number;
    readonly region: number;
    readonly similarity: number;
    readonly flags: number;
  }
  /** Reads records as docs/formats.md has them. */
  function read(bytes: Buffer): Point[] {
    return Array.from({ length: bytes.length / 12 }, (_, i) => ({
      id: bytes.readUInt32LE(i * 12),
      x: bytes.readUInt16LE(i * 12 + 4),
      y: bytes.readUInt16LE(i * 12 + 6),
      region: bytes.readUInt8(i * 12 + 8),
      similarity: (bytes.readUInt8(i * 12 + 9) * 2) / 255 - 1,
      flags: bytes.readUInt8(i * 12 + 11),
    }));
  }
  const info = async () => (await (await app.request('/api/v1/map/info')).json()) as MapInfoAnswer;
  const points = async (query = '') =>
    read(Buffer.from(await (await app.request(`/api/v1/map${query}`)).arrayBuffer()));

  test('has a point for each row, those that may not be safe only when asked for', async () => {
    const shown = await points();
    expect(shown.map(({ id }) => id)).toEqual(all.map((_, id) => id).filter((id) => id !== 0 && id !== 6));
    const every = await points('?tile=0/0/0&nsfw=true');
    expect(every.map(({ id }) => id)).toEqual(all.map((_, id) => id));
    expect(every.filter(({ flags }) => flags === 1).map(({ id }) => id)).toEqual([0, 6]);
    for (const { id, similarity } of every)
      expect(Math.abs(similarity - (all[id]?.row.similarity ?? 0))).toBeLessThan(1 / 255);
    expect(new Set(every.map(({ x, y }) => `${x} ${y}`)).size).toBe(all.length);
  });

  test('puts pictures of one colour and shape nearer to each other than to the rest', async () => {
    const every = await points('?nsfw=true');
    // Five sizes of each drawing follow one another, and embed alike.
    const kind = (id: number) => Math.floor(id / 5);
    for (const { id, x, y } of every) {
      const nearest = every
        .filter((other) => other.id !== id)
        .sort((a, b) => Math.hypot(a.x - x, a.y - y) - Math.hypot(b.x - x, b.y - y));
      expect(nearest.slice(0, 4).map((other) => kind(other.id))).toEqual(Array(4).fill(kind(id)));
    }
  });

  test('its regions hold all rows, and are named by what only they show', async () => {
    const { rows, regions, finest, languages, similarity, tiles } = await info();
    expect([rows, tiles]).toEqual([75, [{ z: 0, x: 0, y: 0, count: 75 }]]);
    expect(languages).toEqual([{ value: 'en', rows: 75 }]);
    expect(similarity.min).toBeCloseTo(0.35, 5);
    const tops = regions.filter(({ level }) => level === 0);
    expect(tops.reduce((sum, region) => sum + region.rows, 0)).toBe(75);
    expect(tops.reduce((sum, { unsafe }) => sum + unsafe, 0)).toBe(2);
    expect(regions.length).toBeGreaterThanOrEqual(finest);
    const words = new Set(regions.flatMap((region) => region.words));
    const told = ['red', 'green', 'blue', 'yellow', 'purple', 'square', 'circle', 'triangle'];
    expect([...words].sort()).toEqual(told.sort());
    for (const region of regions) expect([0, 6]).not.toContain(region.picture);
  });

  test('is known by its ETag, and says what it does not have', async () => {
    for (const path of ['/api/v1/map/info', '/api/v1/map', '/api/v1/map?nsfw=true']) {
      const first = await app.request(path);
      const etag = first.headers.get('etag') ?? '';
      expect((await app.request(path, { headers: { 'If-None-Match': etag } })).status).toBe(304);
      expect((await app.request(path, { headers: { 'If-None-Match': '"other"' } })).status).toBe(200);
    }
    const none = await app.request('/api/v1/map?tile=3/1/1');
    expect([none.status, await none.json()]).toEqual([404, { error: 'the map has no tile 3/1/1' }]);
    for (const wrong of ['?tile=../x', '?tile=1/2', '?nsfw=maybe', '?other=1'])
      expect((await app.request(`/api/v1/map${wrong}`)).status).toBe(400);
  });

  test('is the same each time, and left out where nobody wants it', async () => {
    const before = await readFile(join(dir, MAP_FILES.points));
    const other = await mkdtemp(join(tmpdir(), 'map-'));
    try {
      await writeRelease(other, all);
      await indexRelease({ dir: other }, stageContext(other));
      expect((await readFile(join(other, MAP_FILES.points))).equals(before)).toBe(true);
      await indexRelease({ dir: other, map: false }, stageContext(other));
      await using without = await openWithout(other);
      const answer = await without.app.request('/api/v1/map');
      expect([answer.status, await answer.json()]).toEqual([
        404,
        { error: 'this index was made without a map: gleaner index DIR makes one' },
      ]);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  async function openWithout(path: string): Promise<{ app: Hono } & AsyncDisposable> {
    const opened = await openIndex(path);
    const made = await createApp({ index: opened, embedder: shapeEmbedder });
    return { app: made, [Symbol.asyncDispose]: () => opened.close() };
  }

  test('loses rows that are taken down: from the file, from counts and from pictures; twice is once', async () => {
    const storage = fileStorage(dir);
    const { regions } = await info();
    const picture = regions.find((region) => region.picture !== null)?.picture ?? -1;
    await removeFromMap(dir, storage, [0, picture]);
    const once = await readFile(join(dir, MAP_FILES.info), 'utf8');
    await removeFromMap(dir, storage, [0, picture]);
    expect(await readFile(join(dir, MAP_FILES.info), 'utf8')).toBe(once);
    const records = await readFile(join(dir, MAP_FILES.points));
    for (const id of [0, picture]) {
      expect(read(records).some((point) => point.id === id)).toBe(false);
      const blank = Buffer.concat([Buffer.alloc(4, 0xff), Buffer.alloc(8)]);
      expect(records.subarray(id * 12, id * 12 + 12)).toEqual(blank);
    }
    await using after = await openWithout(dir);
    const left = (await (await after.app.request('/api/v1/map/info')).json()) as MapInfoAnswer;
    expect(left.rows).toBe(73);
    const tops = left.regions.filter(({ level }) => level === 0);
    expect(tops.reduce((sum, region) => sum + region.rows, 0)).toBe(73);
    expect(tops.reduce((sum, { unsafe }) => sum + unsafe, 0)).toBe(1);
    expect(left.regions.some((region) => region.picture === picture)).toBe(false);
    const tile = Buffer.from(await (await after.app.request('/api/v1/map?nsfw=true')).arrayBuffer());
    expect(read(tile)).toHaveLength(73);
  });
});

describe('the report', () => {
  let dir = '';
  let index: OpenedIndex;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'report-'));
    await writeRelease(dir, (await samples()).slice(0, 10));
    await indexRelease({ dir }, stageContext(dir));
    index = await openIndex(dir);
  });
  afterAll(async () => {
    await index.close();
    await rm(dir, { recursive: true, force: true });
  });

  test('is shown as it is, with a way back, and may run and load nothing', async () => {
    const app = await createApp({ index, embedder: shapeEmbedder });
    const none = await app.request('/report');
    expect([none.status, await none.json()]).toEqual([404, { error: 'this release has no report' }]);

    const file = '<!doctype html>\n<html lang="en">\n<main>\n<h1>All of it</h1>\n</main>\n</html>\n';
    await writeFile(join(dir, 'release/report.html'), file);
    const report = await app.request('/report');
    const html = await report.text();
    expect(html.replace(/<style>\n\.way-back[\s\S]*?<\/nav>\n/, '')).toBe(file);
    expect(html).toContain('<a href="/">Search</a><a href="/map">Map</a>');
    expect(report.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = new Map(
      (report.headers.get('content-security-policy') ?? '').split(/;\s*/).map((directive) => {
        const [name = '', ...values] = directive.split(' ');
        return [name, values.join(' ')];
      }),
    );
    expect(policy.get('default-src')).toBe("'none'");
    expect(policy.has('script-src')).toBe(false);
    expect(policy.get('sandbox')).not.toMatch(/allow-scripts|allow-same-origin/);
    expect(policy.get('frame-ancestors')).toBe("'none'");
    expect(report.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await readFile(join(dir, 'release/report.html'), 'utf8')).toBe(file);
  });

  test('the other pages keep the policy of all', async () => {
    const app = await createApp({ index, embedder: shapeEmbedder });
    const answer = await app.request('/api/v1/map/info');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'self'");
  });
});
