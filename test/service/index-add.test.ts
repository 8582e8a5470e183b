import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addToIndex } from '../../src/executors/index.ts';
import { KNN_ENGINE_NAMES } from '../../src/knn/index.ts';
import { TOMBSTONES_FILE } from '../../src/safety/tombstones.ts';
import { openIndex } from '../../src/service/index.ts';
import type { IndexSource } from '../../src/stages/index-files.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { contentsOf, numbered } from './added-release.ts';
import { type Sample, samples, stageContext, writeRelease } from './small-release.ts';

const run = promisify(execFile);

/** A release of rows 0 to 49, and one of rows 40 to 74: ten pairs are in both. */
describe('gleaner index --add', () => {
  let root = '';
  let all: Sample[] = [];
  const at = (name: string) => join(root, name);
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'index-add-'));
    all = await samples();
    await writeRelease(at('later'), numbered(all.slice(40)));
    await writeRelease(at('first'), all.slice(0, 50));
    await indexRelease({ dir: at('first') }, stageContext(at('first')));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  let made = 0;
  /** The indexed first release again, in a folder beside the later one. */
  async function first(): Promise<string> {
    const dir = at(`run-${made++}`);
    await cp(at('first'), dir, { recursive: true });
    return dir;
  }

  test.each(KNN_ENGINE_NAMES)('with %s: all is found as in an index of all rows', async (engine) => {
    const dir = at(`engine-${engine}`);
    await writeRelease(dir, all.slice(0, 50));
    await indexRelease({ dir, engine }, stageContext(dir));
    let progress = 0;
    const onProgress = (rows: number, total: number) => (progress += rows / total);
    expect(await addToIndex(dir, at('later'), { onProgress })).toEqual({
      ...{ added: 25, known: 10, removed: 0, before: false },
    });
    expect(progress).toBeCloseTo(1);
    const whole = at(`whole-${engine}`);
    await writeRelease(whole, all);
    await indexRelease({ dir: whole, engine }, stageContext(whole));
    const [added, expected] = [await contentsOf(dir), await contentsOf(whole)];
    expect(added.rows).toEqual(expected.rows);
    expect(added.rows.filter(({ picture }) => picture)).toHaveLength(75);
    expect(added.fields).toEqual(expected.fields);
    expect(added.present).toEqual(expected.present);
    expect(added.near).toEqual(expected.near);
    expect(added.words).toEqual(expected.words);
    expect(added.recall).toBe(25);
    expect(added.summary).toMatchObject({
      rows: 75,
      nsfw: { NSFW: 1, UNLIKELY: 73, UNSURE: 1 },
      sources: [{ path: '../later', first: 50, rows: 25, parts: 4 }],
      knn: { image: { rows: 75 }, text: { rows: 75 } },
    });
    expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
  });

  test('a release that is there already is not added again', async () => {
    const dir = await first();
    await addToIndex(dir, at('later'));
    const before = await contentsOf(dir);
    expect(await addToIndex(dir, at('later'))).toEqual({ added: 0, known: 35, removed: 0, before: true });
    expect(await addToIndex(dir, dir)).toMatchObject({ added: 0, before: true });
    expect(await contentsOf(dir)).toEqual(before);
  });

  test('several releases follow one another, and each pair is there once', async () => {
    const dir = await first();
    const third = at('third');
    await writeRelease(third, numbered([...all.slice(70), ...all.slice(45, 60), ...all.slice(0, 3)]));
    expect(await addToIndex(dir, third)).toMatchObject({ added: 15, known: 8 });
    expect(await addToIndex(dir, at('later'))).toMatchObject({ added: 10, known: 25 });
    const { rows } = await contentsOf(dir);
    expect(rows.map(({ uid }) => uid).sort()).toEqual(all.map(({ row }) => row.uid).sort());
    expect(rows.every(({ picture }) => picture !== undefined)).toBe(true);
  });

  test('what was taken down from the run does not come back, and is counted', async () => {
    const dir = await first();
    const [gone, known] = [all[60]?.row.uid ?? '', all[45]?.row.uid ?? ''];
    const lines = [gone, known].map((hash) => ({
      takedown: 'uid',
      hash,
      at: '2026-11-21T00:00:00Z',
      reason: 'x',
    }));
    await fileStorage(dir).put(TOMBSTONES_FILE, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(await addToIndex(dir, at('later'))).toEqual({ added: 24, known: 9, removed: 2, before: false });
    expect((await contentsOf(dir)).rows.map(({ uid }) => uid)).not.toContain(gone);
  });

  test('what is taken down where a row came from is not shown here either', async () => {
    const dir = await first();
    const later = at('later-own');
    await cp(at('later'), later, { recursive: true });
    await addToIndex(dir, later);
    const takedown = (hash: string) => ({ takedown: 'uid', hash, at: '2026-11-21T00:00:00Z', reason: 'x' });
    // Row 40 is in both releases: the one of the index is another's.
    const lines = [all[60], all[40]].map((sample) => JSON.stringify(takedown(sample?.row.uid ?? '')));
    await fileStorage(later).put(TOMBSTONES_FILE, `${lines.join('\n')}\n`);
    const { shownRow } = await import('../../src/service/opened-index.ts');
    const index = await openIndex(dir);
    expect([shownRow(index, 60), shownRow(index, 40)?.uid]).toEqual([undefined, all[40]?.row.uid]);
    await index.close();
  });

  test('building the index again leaves out what was added, and says so', async () => {
    const dir = await first();
    await addToIndex(dir, at('later'));
    const said: IndexSource[] = [];
    await indexRelease({ dir, onLeftOut: (sources) => said.push(...sources) }, stageContext(dir));
    expect(said).toMatchObject([{ path: '../later', first: 50, rows: 25 }]);
    expect((await contentsOf(dir)).rows).toHaveLength(50);
  });

  test('says in one line why it cannot be', async () => {
    const dir = await first();
    const other = at('other-model');
    await cp(at('later'), other, { recursive: true });
    const stats = JSON.parse(await readFile(join(other, 'release/stats.json'), 'utf8'));
    const model = { ...stats.model, name: 'other', files: { 'vision_model.onnx': 'f'.repeat(64) } };
    await fileStorage(other).put('release/stats.json', JSON.stringify({ ...stats, model }));
    await expect(addToIndex(dir, other)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/^--add .*other-model: was made with another model, 'other'/),
    });
    await expect(addToIndex(dir, at('nothing'))).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    await expect(addToIndex(at('later'), dir)).rejects.toMatchObject({
      message: expect.stringContaining('holds no finished index'),
    });
    const torn = at('torn');
    await cp(at('later'), torn, { recursive: true });
    await fileStorage(torn).put('release/stats.json', JSON.stringify({ ...stats, rows: 36 }));
    const before = await contentsOf(dir);
    await expect(addToIndex(dir, torn)).rejects.toMatchObject({ code: 'DAMAGED' });
    expect(await contentsOf(dir)).toEqual(before);
    expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
  });

  test('killed before any change of a file, the index is whole; the same again ends it', async () => {
    const script = join(import.meta.dirname, 'killed-add.ts');
    const add = (dir: string, before: number) =>
      run(process.execPath, [script, dir, at('later'), String(before)]);
    const [untouched, whole] = [await contentsOf(await first()), await first()];
    const changes = Number((await add(whole, 0)).stdout);
    const expected = await contentsOf(whole);
    expect(changes).toBeGreaterThan(50);
    // Evenly, and each of the last, where the index takes its place.
    const moments = Array.from({ length: 8 }, (_, i) => Math.ceil(((i + 1) * changes) / 10));
    const seen = new Set<number>();
    for (const before of [...moments, ...Array.from({ length: 9 }, (_, i) => changes - i)]) {
      const dir = await first();
      await expect(add(dir, before)).rejects.toMatchObject({ signal: 'SIGKILL' });
      const left = await contentsOf(dir);
      seen.add(left.rows.length);
      expect(left).toEqual(left.rows.length === 50 ? untouched : expected);
      await addToIndex(dir, at('later'));
      expect(await contentsOf(dir)).toEqual(expected);
      expect((await readdir(dir)).sort()).toEqual(['index', 'release']);
    }
    expect([...seen].sort()).toEqual([50, 75]);
  }, 240_000);
});
