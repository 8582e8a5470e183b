import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';

describe('gleaner card', () => {
  let folder: string;
  let out: string;
  let run: readonly string[];
  const read = (name: string) => readFile(join(out, name), 'utf8');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-card-'));
    const crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 4 });
    out = join(folder, 'out');
    const from = ['--images-from', crawl.archive, '--out', out];
    run = ['run', '--recipe', 'everything', '--wat', ...crawl.wats, ...from];
    expect((await gleaner(run)).code).toBe(0);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('says who publishes the release, and nothing else of it changes', async () => {
    expect(await read('release/README.md')).toContain('give an address for takedown requests before you do');
    const before = [await read('release/stats.json'), await read('release/report.html')];
    const given = [
      '--contact',
      'takedown@example.org',
      '--license',
      'CC-BY-4.0',
      '--published',
      '2026-11-21',
    ];
    const { code, stdout } = await gleaner(['card', out, ...given]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('contact    takedown@example.org\n')]);

    const card = await read('release/README.md');
    expect(card).toContain('write to `takedown@example.org`');
    expect(parse(card.split('---\n')[1] ?? '')).toMatchObject({ license: 'cc-by-4.0' });
    const croissant = JSON.parse(await read('release/croissant.json'));
    expect(croissant).toMatchObject({
      license: 'https://spdx.org/licenses/CC-BY-4.0.html',
      datePublished: '2026-11-21',
      description: expect.stringContaining('Opt-out and takedown: takedown@example.org'),
    });
    expect([await read('release/stats.json'), await read('release/report.html')]).toEqual(before);
    expect(before.join('')).not.toContain('takedown@example.org');
    expect((await gleaner(['verify', out])).stdout).toMatch(/all is well/);
  });

  test('what was said stays: in a second card, and where the run is started again', async () => {
    const { stdout } = await gleaner(['card', out, '--release-version', '1.0.0', '--json']);
    const said = {
      contact: 'takedown@example.org',
      license: 'CC-BY-4.0',
      published: '2026-11-21',
      version: '1.0.0',
    };
    expect(JSON.parse(stdout)).toEqual(said);
    const before = await read('release/README.md');
    // A report that was lost is made again, by a recipe that says nothing of a card.
    await rm(join(out, 'release/report.html'));
    expect((await gleaner(run)).code).toBe(0);
    expect(await read('release/README.md')).toBe(before);
    expect(JSON.parse(await read('run.json')).recipe.card).toEqual(said);
    expect((await gleaner(['verify', out])).stdout).toMatch(/all is well/);
  });

  test.each([
    [['--published', 'yesterday'], /^gleaner: --published: /],
    [['--release-version', 'v1'], /^gleaner: --release-version: is not as 1\.0\.0\.$/m],
    [['--contact', ''], /^gleaner: --contact: /],
  ])('%j is refused in one line', async (given, message) => {
    const { code, stderr } = await gleaner(['card', out, ...given]);
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toMatch(message);
  });

  test('a folder without a release', async () => {
    const { code, stderr } = await gleaner(['card', folder]);
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(stderr).toContain('holds no finished release');
  });
});
