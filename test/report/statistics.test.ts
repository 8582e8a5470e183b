import { describe, expect, test } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import { collectStatistics } from '../../src/stages/report/collect.ts';
import { parseStatistics } from '../../src/stages/report/parse.ts';
import { SIX_INPUT, SIX_ROWS, SIX_TRAIL, temporaryStorage, writeRelease } from './small-release.ts';

async function sixStatistics() {
  await using folder = await temporaryStorage();
  await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
  return await collectStatistics(folder.storage, SIX_INPUT);
}

describe('statistics of six pairs, by hand', () => {
  test("LAION's size table", async () => {
    const { sizes } = await sixStatistics();
    expect(sizes.map(({ title, count }) => [title, count])).toEqual([
      ['height or width ≥ 1024', 3],
      ['height and width ≥ 1024', 2],
      ['height or width ≥ 512', 4],
      ['height and width ≥ 512', 4],
      ['height or width ≥ 256', 5],
      ['height and width ≥ 256', 4],
    ]);
    expect(sizes[0]?.share).toBe(0.5);
  });

  test('the funnel: shares of the step before and of all links, reasons in their order', async () => {
    const { funnel, rows, parts } = await sixStatistics();
    expect([rows, parts]).toEqual([6, 2]);
    expect(funnel.map((f) => [f.name, f.in, f.out, f.shareOfPrevious, f.shareOfFirst])).toEqual([
      ['record', 10, 9, 0.9, null],
      ['link', 40, 30, 0.75, 0.75],
      ['pair', 30, 24, 0.8, 0.6],
      ['unique', 24, 20, 0.833333, 0.5],
      ['fetched', 20, 15, 0.75, 0.375],
      ['image', 15, 13, 0.866667, 0.325],
      ['matched', 13, 7, 0.538462, 0.175],
      ['safe', 7, 6, 0.857143, 0.15],
    ]);
    for (const step of funnel)
      expect(step.in).toBe(step.out + step.dropped.reduce((n, { count }) => n + count, 0));
    expect(funnel[4]?.dropped).toEqual([
      { reason: 'robots', title: 'closed by robots.txt', count: 1, share: 0.05 },
      { reason: 'timeout', title: 'took too long', count: 1, share: 0.05 },
      { reason: 'http_status', title: 'HTTP status is not 200', count: 3, share: 0.15 },
    ]);
  });

  test('distributions', async () => {
    const { distributions: d } = await sixStatistics();
    expect(d.similarity).toMatchObject({ n: 6, min: 0.3, max: 0.9, mean: 0.463333 });
    expect(d.similarity.quantiles).toMatchObject({ p25: 0.31, p50: 0.35, p75: 0.5, p99: 0.9 });
    expect(d.similarity.edges.slice(0, 2)).toEqual([0.3, 0.31]);
    expect(d.similarityDropped).toMatchObject({ n: 6, min: -0.05, max: 0.29999 });
    expect(d.similarityDropped.edges.slice(-2)).toEqual([0.29, 0.3]);
    expect(d.similarityDropped.counts.at(-1)).toBe(2);
    expect(d.width.quantiles).toMatchObject({ p1: 255, p50: 512, p75: 1024, p99: 2000 });
    expect(d.height).toMatchObject({ min: 100, max: 1200 });
    // 4:3, 1:1, 5:3, 2.56:1, 1:1, 1:1.
    expect(d.aspect).toMatchObject({ min: 1, max: 2.56 });
    expect(d.aspect.edges[0]).toBe(0.917);
    expect(d.aspect.counts[0]).toBe(3);
    // Characters, not UTF-16 units: '🍎 apple' has 7.
    expect(d.textLength).toMatchObject({ min: 5, max: 11, mean: Number((42 / 6 - 0.166667).toFixed(6)) });
  });

  test('values of columns, and failures with their details', async () => {
    const s = await sixStatistics();
    const pairs = (tally: typeof s.hosts) => tally.top.map(({ value, count }) => [value, count]);
    expect(pairs(s.languages)).toEqual([
      ['en', 5],
      ['de', 1],
    ]);
    expect(pairs(s.licenses)).toEqual([
      ['?', 5],
      ['https://creativecommons.org/licenses/by/4.0/', 1],
    ]);
    expect(pairs(s.hosts)).toEqual([
      ['a.example', 4],
      ['b.example:8443', 1],
      ['c.example', 1],
    ]);
    expect(s.hosts).toMatchObject({ total: 6, distinct: 3 });
    expect(s.hosts.top[0]?.share).toBe(0.666667);
    expect(pairs(s.nsfw)).toEqual([
      ['UNLIKELY', 4],
      ['NSFW', 1],
      ['UNSURE', 1],
    ]);
    expect(pairs(s.formats)).toEqual([
      ['jpeg', 4],
      ['png', 1],
      ['webp', 1],
    ]);
    expect(pairs(s.fetchFailures)).toEqual([
      ['http_status: 404', 2],
      ['http_status: 500', 1],
      ['robots', 1],
      ['timeout: first byte', 1],
    ]);
  });

  test('stats.json reads back as it was', async () => {
    const stats = await sixStatistics();
    expect(parseStatistics(JSON.stringify(stats), 'stats.json')).toEqual(stats);
  });

  test('a recipe that names a file tells its name, not its folder', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
    const at = (name: string) => `/home/somebody/lists/${name}`;
    const recipe = loadRecipe('laion400m', {
      extract: { hostBlocklists: [at('hosts.txt')], urlBlocklists: ['C:\\somebody\\urls.txt'] },
      fetch: { optOutLists: [at('out.gz')], contact: 'somebody@example.org', proxy: 'http://somebody:8080' },
      safety: {
        categories: at('ours.yaml'),
        knownContent: [{ name: 'ours', kind: 'md5', path: at('known.csv') }],
        classifiers: [{ path: at('network/') }],
      },
    });
    const stats = await collectStatistics(folder.storage, { ...SIX_INPUT, recipe });
    const { extract, fetch, safety } = stats.recipe;
    expect([extract.hostBlocklists, extract.urlBlocklists]).toEqual([['hosts.txt'], ['urls.txt']]);
    expect(fetch.optOutLists).toEqual(['out.gz']);
    expect(safety.categories).toBe('ours.yaml');
    expect(safety.knownContent[0]?.path).toBe('known.csv');
    expect(safety.classifiers[0]?.path).toBe('network');
    expect(JSON.stringify(stats)).not.toContain('somebody');
  });
});

describe('what does not add up is refused', () => {
  const { ledgers } = SIX_INPUT;
  test.each([
    [
      'a ledger',
      { ...SIX_INPUT, ledgers: { ...ledgers, link: { ...ledgers.link, out: 29 } } },
      /step 'link'/,
    ],
    [
      'two ledgers',
      {
        ...SIX_INPUT,
        ledgers: { ...ledgers, safe: { in: 8, out: 6, dropped: { minor: 2 } } },
      },
      /7 left step 'matched', 8 entered 'safe'/,
    ],
    [
      'rows',
      { ...SIX_INPUT, ledgers: { ...ledgers, safe: { in: 7, out: 7, dropped: {} } } },
      /holds 6 rows, 7 were kept/,
    ],
  ])('%s', async (_, input, message) => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
    await expect(collectStatistics(folder.storage, input)).rejects.toThrow(message);
  });

  test('a trail that lacks a row', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL.slice(0, -1));
    await expect(collectStatistics(folder.storage, SIX_INPUT)).rejects.toThrow(
      /lists 0 pairs as 'minor', the ledgers count 1/,
    );
  });

  test('no release', async () => {
    await using folder = await temporaryStorage();
    await expect(collectStatistics(folder.storage, SIX_INPUT)).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
    });
  });

  test.each([
    ['not JSON', '{'],
    ['another version', '{"version": 2}'],
  ])('a stats.json that is %s', (_, text) => {
    expect(() => parseStatistics(text, 'out/stats.json')).toThrow(/^out\/stats\.json: is not /);
  });
});
