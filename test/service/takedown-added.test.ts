import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexRun, runLocally } from '../../src/executors/index.ts';
import { openIndex } from '../../src/service/index.ts';
import { shownRow } from '../../src/service/opened-index.ts';
import { type ReleasedPair, releasedPairs } from '../support/contents.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';

describe('takedown of rows of a release that was added to an index', () => {
  let dir: string;
  const at = (name: string) => join(dir, name);
  let [own, added]: [ReleasedPair[], ReleasedPair[]] = [[], []];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gleaner-takedown-added-'));
    const crawl = await makeSmallCrawl(at('crawl'), { wats: 2, pagesPerWat: 6 });
    for (const [i, name] of ['out', 'later'].entries())
      await runLocally({
        recipe: 'everything',
        overrides: { release: { parts: 2 } },
        wats: crawl.wats.slice(i, i + 1),
        imagesFrom: [crawl.archive],
        workers: 1,
        out: at(name),
      });
    await indexRun(at('out'));
    own = await releasedPairs(at('out'));
    const uids = new Set(own.map(({ row }) => row.uid));
    added = (await releasedPairs(at('later'))).filter(({ row }) => !uids.has(row.uid));
  }, 120_000);
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** Pairs that can be seen, by SAMPLE_ID, with their pictures. */
  async function shown(): Promise<Map<number, string>> {
    const index = await openIndex(at('out'));
    const rows = new Map<number, string>();
    for (let id = 0; id < index.rows.places; id++) {
      const row = shownRow(index, id);
      const picture = row && (await index.images.get(id, row.key));
      const pair = [...own, ...added].find((one) => one.row.uid === row?.uid);
      if (row && picture && pair && Buffer.from(pair.jpeg).equals(picture)) rows.set(id, row.uid);
    }
    await index.close();
    return rows;
  }

  test('hides them, says that they stay where they came from, and leaves all others as they are', async () => {
    expect(added.length).toBeGreaterThan(4);
    const { stdout: said } = await gleaner(['index', at('out'), '--add', at('later')]);
    expect(said).toContain(`Added ${added.length} rows of ${at('later')} to ${at('out')}/index`);
    const all = new Map([...own, ...added].map(({ row }, id) => [id, row.uid]));
    expect(await shown()).toEqual(all);

    // One of each: parts of the release are written anew, those of the other are not.
    const [mine, theirs] = [1, own.length + 2];
    const names = [mine, theirs].flatMap((id) => ['--uid', all.get(id) ?? '']);
    const { stdout } = await gleaner(['remove', at('out'), ...names, '--reason', 'asked for']);
    expect(stdout).toMatch(/^1 pair taken down, 1 of the release, by 2 entries\n/);
    expect(stdout).toContain(
      `1 row that was added to the index from ${at('later')} is found no more. It stays in that release until it is taken down there: gleaner remove ${at('later')}\n`,
    );
    all.delete(mine);
    all.delete(theirs);
    expect(await shown()).toEqual(all);
    expect((await releasedPairs(at('later'))).map(({ row }) => row.uid)).toContain(added[2]?.row.uid);

    const again = await gleaner(['index', at('out'), '--add', at('later'), '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ before: true, added: 0 });
    expect(await shown()).toEqual(all);

    const { stderr } = await gleaner(['index', at('out')]);
    expect(stderr).toContain(`Add it with: gleaner index ${at('out')} --add ${at('later')}\n`);
    const { stdout: anew } = await gleaner(['index', at('out'), '--add', at('later')]);
    expect(anew).toContain('1 that was taken down left out');
    expect([...(await shown()).values()]).toEqual([...all.values()]);
  }, 120_000);
});
