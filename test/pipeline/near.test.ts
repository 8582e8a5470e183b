import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RecipeOverrides } from '../../src/config/index.ts';
import { runLocally } from '../../src/executors/index.ts';
import { explainPair, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { readStatistics } from '../../src/stages/report/index.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { type CopiedPictures, makeCopiedPictures } from '../support/copied-pictures.ts';
import { gleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

const NEAR = {
  sameBytes: true,
  samePicture: { maxDistance: 4 },
  sameMeaning: { minCosine: 0.9999 },
} as const;

describe('a run that drops duplicates beyond exact', () => {
  let folder: string;
  let crawl: CopiedPictures;
  let storage: Storage;
  const out = (name: string) => join(folder, name);
  const run = (name: string, overrides: RecipeOverrides, workers = 2) =>
    runLocally({
      recipe: 'everything',
      overrides: { harvest: { pairsPerTask: 20 }, release: { parts: 3 }, ...overrides },
      wats: [crawl.wat],
      imagesFrom: [crawl.archive],
      out: out(name),
      workers,
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-near-run-'));
    crawl = await makeCopiedPictures(join(folder, 'crawl'));
    await run('out', { near: NEAR });
    storage = fileStorage(out('out'));
  }, 60_000);

  it('accounts for every pair, and each that is dropped names one that is released', async () => {
    const { safe, distinct } = await runLedgers(storage);
    expect(distinct?.in).toBe(safe.out);
    const dropped = distinct?.dropped ?? {};
    // Of each picture one is kept; of its three others one has the same bytes, unless both were like a third.
    expect(dropped).toMatchObject({ same_bytes: crawl.pictures, same_picture: 2 * crawl.pictures });
    expect(distinct?.out).toBe(crawl.pictures);
    const { problems, rows } = await verifyRun(storage);
    expect(problems).toEqual([]);
    expect(rows).toBe(distinct?.out);
    let found = 0;
    for (let n = 0; n < crawl.pictures; n++)
      for (const variant of ['original', 'copy', 'quality60', 'smaller'] as const)
        for (const fate of await explainPair(storage, crawl.urlOf(n, variant))) {
          if (fate.kept) continue;
          found++;
          const [kept] = await explainPair(storage, fate.row.detail.slice(0, 32));
          expect(kept?.kept && kept.row.URL.startsWith(`http://img.example/${n}-`)).toBe(true);
        }
    expect(found).toBe(Object.values(dropped).reduce((sum, count) => sum + count, 0));
  });

  it('shows it in the funnel and on the data card', async () => {
    const stats = await readStatistics(storage);
    expect(stats.funnel.slice(-2).map(({ name, title }) => [name, title])).toEqual([
      ['safe', 'judged safe'],
      ['distinct', 'kept'],
    ]);
    expect(stats.rows).toBe(stats.funnel.at(-1)?.out);
    const { stdout } = await gleaner(['stats', out('out')]);
    expect(stdout).toMatch(/same bytes as an image that is kept +\d/);
    const card = new TextDecoder().decode(await storage.read('release/README.md'));
    expect(card).toContain('the same picture (64-bit dHash, at most 4 bits apart');
  });

  it('releases the same with one worker, and other shards keep the same pairs', async () => {
    await run('one', { near: NEAR }, 1);
    expect(await treeOf(join(out('one'), 'release'))).toEqual(await treeOf(join(out('out'), 'release')));
    await run('shards', { near: NEAR, harvest: { pairsPerTask: 7 } });
    const metadata = async (name: string) =>
      Object.entries(await treeOf(join(out(name), 'release'))).filter(([path]) =>
        path.startsWith('metadata'),
      );
    expect(await metadata('shards')).toEqual(await metadata('out'));
  }, 60_000);

  it('is not there where a recipe does not ask for it', async () => {
    await run('none', {});
    await run('nothing', { near: { sameBytes: false } });
    expect((await runLedgers(fileStorage(out('none')))).distinct).toBeUndefined();
    const files = await fileStorage(out('none')).list('.');
    expect(files.filter((path) => /near|distinct/.test(path))).toEqual([]);
    const { ledgers, recipe, funnel } = await readStatistics(fileStorage(out('none')));
    expect([ledgers.distinct, recipe.near, funnel.at(-1)?.name]).toEqual([undefined, undefined, 'safe']);
    const [none, nothing] = [await treeOf(out('none')), await treeOf(out('nothing'))];
    const rows = (tree: Record<string, string>) => tree['release/metadata/metadata_0.parquet'];
    expect(rows(nothing)).toBe(rows(none));
    expect((await verifyRun(fileStorage(out('nothing')))).problems).toEqual([]);
  }, 60_000);
});
