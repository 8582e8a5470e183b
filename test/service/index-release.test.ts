import { hash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KNN_ENGINE_NAMES } from '../../src/knn/index.ts';
import { Tombstones } from '../../src/safety/index.ts';
import { openIndex } from '../../src/service/index.ts';
import { INDEX_FILES } from '../../src/stages/index-files.ts';
import { INDEX_PASSES, indexRelease } from '../../src/stages/index-release.ts';
import { MAP_PASSES } from '../../src/stages/map/draw-map.ts';
import { MAP_FILES } from '../../src/stages/map/map-files.ts';
import { releaseFiles } from '../../src/stages/released.ts';
import { hideInIndex } from '../../src/stages/unindex.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { shapeEmbedder } from './shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

describe('indexRelease', () => {
  let dir = '';
  let all: Sample[] = [];
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'index-'));
    all = await samples();
    await writeRelease(dir, all);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test.each(KNN_ENGINE_NAMES)(
    'with %s: every row, image and vector of the release is found by SAMPLE_ID',
    async (engine) => {
      let progress = 0;
      const result = await indexRelease(
        { dir, engine },
        stageContext(dir, (done) => (progress += done)),
      );
      expect(progress).toBe((INDEX_PASSES + MAP_PASSES) * all.length);
      expect(result.ledgers.rows).toEqual({ in: all.length, out: all.length, dropped: {} });

      const index = await openIndex(dir);
      expect(index.summary).toMatchObject({
        rows: 75,
        parts: 4,
        nsfw: { NSFW: 1, UNLIKELY: 73, UNSURE: 1 },
        model: { name: shapeEmbedder.name },
        knn: { image: { engine, rows: 75 }, text: { engine, rows: 75 } },
      });
      for (const [id, { row, image }] of all.entries()) {
        expect(await index.rows.get(id)).toMatchObject({
          URL: row.url,
          TEXT: row.text,
          uid: row.uid,
          WIDTH: row.width,
        });
        expect(hash('sha256', (await index.images.get(id, row.key)) ?? '', 'hex')).toBe(row.sha256);
        expect(image.length).toBeGreaterThan(0);
      }
      const among = index.fields.matching({
        host: ['images.example'],
        width: { min: 2000 },
        nsfw: ['UNLIKELY'],
      });
      expect([...among]).toEqual(
        all.flatMap(({ row }, id) =>
          row.url.startsWith('https://images.example/') && row.width >= 2000 && row.nsfw === 'UNLIKELY'
            ? [id]
            : [],
        ),
      );
      const [hit] = await index.text.search(await shapeEmbedder.embedTexts(['a blue circle']), { k: 1 });
      expect(all[hit?.id ?? -1]?.row.text).toMatch(/blue circle/);
      await index.close();
    },
  );

  test('lists its lasting files with their checksums, and nothing else is left', async () => {
    const { files } = await indexRelease({ dir }, stageContext(dir));
    expect(files.map((file) => file.path).sort()).toEqual(
      [
        ...[INDEX_FILES.metadata, INDEX_FILES.metadataOffsets, INDEX_FILES.images, INDEX_FILES.summary],
        ...[MAP_FILES.points, MAP_FILES.info],
      ].sort(),
    );
    await (await openIndex(dir)).close();
    for (const { path, bytes, sha256 } of files) {
      const content = await readFile(join(dir, path));
      expect([content.length, hash('sha256', content, 'hex')]).toEqual([bytes, sha256]);
    }
    expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
  });

  test('a build that fails leaves the index that was there', async () => {
    await indexRelease({ dir }, stageContext(dir));
    const before = await readFile(join(dir, INDEX_FILES.summary), 'utf8');
    const stopped = new AbortController();
    const ctx = {
      ...stageContext(dir),
      signal: stopped.signal,
      progress: () => stopped.abort(new Error('stopped')),
    };
    await expect(indexRelease({ dir }, ctx)).rejects.toThrow('stopped');
    expect(await readFile(join(dir, INDEX_FILES.summary), 'utf8')).toBe(before);
    expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
    await (await openIndex(dir)).close();
  });

  test('removes what a killed build left', async () => {
    // No process has this number: it is above Linux' largest, 2^22.
    const left = join(dir, `.index-building-${hostname()}-99999999-abcd`);
    await writeFile(left, '');
    await indexRelease({ dir }, stageContext(dir));
    expect(await readdir(dir)).not.toContain(`.index-building-${hostname()}-99999999-abcd`);
  });

  test('two builds at once leave one whole index', async () => {
    await Promise.all([indexRelease({ dir }, stageContext(dir)), indexRelease({ dir }, stageContext(dir))]);
    expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
    const index = await openIndex(dir);
    expect((await index.image.stats()).rows).toBe(all.length);
    await index.close();
  });

  test('a release without rows has an index too', async () => {
    const none = await mkdtemp(join(tmpdir(), 'index-'));
    await writeRelease(none, []);
    await indexRelease({ dir: none }, stageContext(none));
    const index = await openIndex(none);
    expect(index.summary).toMatchObject({ rows: 0, nsfw: {} });
    expect(await index.image.search(await shapeEmbedder.embedTexts(['red']), { k: 5 })).toEqual([]);
    await index.close();
    await rm(none, { recursive: true });
  });

  test('says which file does not fit', async () => {
    const other = await mkdtemp(join(tmpdir(), 'index-'));
    try {
      await expect(indexRelease({ dir: other }, stageContext(other))).rejects.toMatchObject({
        code: 'RUN_NOT_FOUND',
      });
      await writeRelease(other, all);
      const { images } = releaseFiles(1, 4);
      const { images: first } = releaseFiles(0, 4);
      await writeFile(join(other, images), await readFile(join(other, first)));
      await expect(indexRelease({ dir: other }, stageContext(other))).rejects.toMatchObject({
        code: 'DAMAGED',
        message: expect.stringContaining('00001.tar'),
      });
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  test('an index of an earlier version is told in one line, and a takedown stops at it', async () => {
    const old = await mkdtemp(join(tmpdir(), 'index-'));
    await writeRelease(old, all);
    await indexRelease({ dir: old }, stageContext(old));
    const path = join(old, INDEX_FILES.summary);
    const summary = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...summary, version: 1 }));
    const told = { code: 'DAMAGED', message: expect.stringMatching(/index\.json.*gleaner index/) };
    await expect(openIndex(old)).rejects.toMatchObject(told);
    await expect(hideInIndex(old, fileStorage(old), new Tombstones())).rejects.toMatchObject(told);
    await rm(old, { recursive: true });
  });

  test('the index of another release is not opened', async () => {
    await indexRelease({ dir }, stageContext(dir));
    const path = join(dir, 'release/stats.json');
    const stats = await readFile(path, 'utf8');
    await writeFile(path, `${stats} `);
    await expect(openIndex(dir)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    await writeFile(path, stats);
  });
});
