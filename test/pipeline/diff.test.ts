import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { diffRuns, type RunLocallyOptions, runLocally, subsetRun } from '../../src/executors/index.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { type ReadPair, readRelease, readTable } from '../support/read-release.ts';

describe('two releases', () => {
  let folder: string;
  let options: Omit<RunLocallyOptions, 'out'>;
  let [a, b]: [readonly ReadPair[], readonly ReadPair[]] = [[], []];
  const at = (name: string) => join(folder, name);
  const uid = ({ row }: ReadPair) => String(row.uid);

  /** A takes both WAT files; B one of them, with a threshold, and stores its pictures smaller. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-diff-'));
    const crawl = await makeSmallCrawl(at('crawl'), { wats: 2, pagesPerWat: 8 });
    const one = { recipe: 'everything', imagesFrom: [crawl.archive], workers: 1 };
    options = { ...one, wats: crawl.wats, overrides: { release: { parts: 3 } } };
    await runLocally({ ...options, out: at('a') });
    await runLocally({
      ...one,
      wats: crawl.wats.slice(1),
      overrides: { release: { parts: 2 }, score: { minSimilarity: 0.2 }, image: { storeShortestSide: 100 } },
      out: at('b'),
    });
    [a, b] = [await readRelease(at('a')), await readRelease(at('b'))];
  }, 120_000);

  const isLarge = ({ row }: ReadPair) => Math.min(Number(row.WIDTH), Number(row.HEIGHT)) > 100;

  it('differ by what came, went and changed, and B says why', async () => {
    const diff = await diffRuns({ a: at('a'), b: at('b'), limit: 3 });
    const inB = new Map(b.map((pair) => [uid(pair), pair]));
    const went = a.filter((pair) => !inB.has(uid(pair)));
    const below = went.filter(
      ({ row }) => String(row.wat).startsWith('crawl-1') && Number(row.similarity) < 0.2,
    );
    expect(below.length).toBeGreaterThan(2);
    expect(went.length - below.length).toBeGreaterThan(10);
    expect(diff.rows).toEqual({ a: a.length, b: b.length });
    expect(diff.came).toEqual({ pairs: 0, because: {} });
    expect(diff.went).toEqual({
      pairs: went.length,
      because: { similarity: below.length, not_met: went.length - below.length },
    });
    // The picture that is stored is smaller, where it was larger.
    const larger = b.filter(isLarge).length;
    expect(larger).toBeGreaterThan(3);
    expect(diff.changed).toEqual({
      pairs: larger,
      of: b.length,
      columns: { stored_width: larger, stored_height: larger },
      similarityBy: 0,
    });
    expect(diff.pairs.filter(({ what }) => what === 'went').map((pair) => pair.uid)).toEqual(
      went.slice(0, 3).map(uid),
    );
    expect(diff.pairs).toHaveLength(6);
  });

  it('are turned round by turning them round', async () => {
    const [there, back] = [
      await diffRuns({ a: at('a'), b: at('b'), limit: 1000 }),
      await diffRuns({ a: at('b'), b: at('a'), limit: 1000 }),
    ];
    expect(back.came).toEqual(there.went);
    expect(back.went).toEqual(there.came);
    expect(back.changed).toEqual(there.changed);
    expect(back.pairs.map((pair) => pair.uid)).toEqual(there.pairs.map((pair) => pair.uid));
    expect(back.recipe).toEqual(
      there.recipe.map(({ name, a: before, b: after }) => ({ name, a: after, b: before })),
    );
  });

  it('differ in their recipes by field, and in their funnels by step', async () => {
    const diff = await diffRuns({ a: at('a'), b: at('b') });
    expect(diff.recipe).toEqual([
      { name: 'image.storeShortestSide', a: 256, b: 100 },
      { name: 'score.minSimilarity', a: null, b: 0.2 },
      { name: 'release.parts', a: 3, b: 2 },
    ]);
    expect(diff.model).toEqual([]);
    expect(diff.funnel.at(-1)).toEqual({ name: 'safe', title: 'kept', a: a.length, b: b.length });
    const sorted = a.map(({ row }) => Number(row.similarity)).sort((x, y) => x - y);
    const median = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
    expect(diff.similarity.a?.p50).toBeCloseTo(median, 3);
  });

  it('leave all that differs in a file', async () => {
    const out = at('differences.parquet');
    const diff = await diffRuns({ a: at('a'), b: at('b'), out, limit: 0 });
    expect(diff.pairs).toEqual([]);
    const rows = await readTable(out);
    expect(rows).toHaveLength(diff.went.pairs + diff.changed.pairs);
    const inB = new Map(b.map((pair) => [uid(pair), pair]));
    for (const row of rows) {
      const before = a.find((pair) => uid(pair) === row.uid);
      const after = inB.get(String(row.uid));
      expect(row).toMatchObject({
        what: after ? 'changed' : 'went',
        ...{ URL: before?.row.URL, TEXT: before?.row.TEXT },
        ...{ similarity_a: before?.row.similarity, similarity_b: after?.row.similarity ?? null },
      });
      const changes = row.changes === null ? {} : JSON.parse(String(row.changes));
      for (const [name, values] of Object.entries(changes))
        expect(values).toEqual([before?.row[name], after?.row[name]]);
    }
    const bytes = await readFile(out);
    await expect(diffRuns({ a: at('a'), b: at('b'), out })).rejects.toThrow(/is there already/);
    expect(await readFile(out)).toEqual(bytes);
  });

  it('do not differ from themselves; of a subset went what it left out', async () => {
    expect(await diffRuns({ a: at('a'), b: at('a') })).toMatchObject({
      ...{ came: { pairs: 0 }, went: { pairs: 0 }, pairs: [], recipe: [] },
      changed: { pairs: 0, of: a.length },
    });
    await subsetRun({ dir: at('a'), out: at('part'), sample: 12, workers: 1 });
    const diff = await diffRuns({ a: at('a'), b: at('part') });
    expect(diff.went).toEqual({ pairs: a.length - 12, because: { not_in_subset: a.length - 12 } });
    expect(diff.changed).toMatchObject({ pairs: 0, of: 12 });
    expect(diff.funnel.at(-1)).toEqual({ name: 'selected', title: 'kept', a: null, b: 12 });
  });

  it('are told in 80 columns, and as JSON', async () => {
    const { code, stdout } = await gleaner(['diff', at('a'), at('b'), '--limit', '2']);
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
    expect(stdout).toMatch(/^ {2}went \(in A alone\) +\d+$/m);
    expect(stdout).toMatch(/^ {2}similarity +\d+ {2}text does not match the image$/m);
    expect(stdout).toMatch(/^ {2}not met +\d+ {2}not among its links$/m);
    expect(stdout).toMatch(/^ {2}score\.minSimilarity: null → 0\.2$/m);
    expect(stdout).toMatch(/^− [0-9a-f]{32} http:\/\/img\.example\/\d+\.png$/m);
    const json = JSON.parse((await gleaner(['diff', at('a'), at('b'), '--json'])).stdout);
    expect(json).toMatchObject({ rows: { a: a.length, b: b.length } });
    const missing = await gleaner(['diff', at('a'), at('crawl')]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/crawl: holds no finished release/),
    });
  });
});
