import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';

describe('the commands, one after another', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let out: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-commands-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 2, pagesPerWat: 4 });
    out = join(folder, 'out');
  });

  it('run prints the funnel, progress goes to standard error', async () => {
    const args = [
      '--recipe',
      'everything',
      '--wat',
      ...crawl.wats,
      '--images-from',
      crawl.archive,
      '--out',
      out,
    ];
    const { code, stdout, stderr } = await gleaner(['run', ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`links with a text .* ${crawl.withText} `));
    expect(stdout).toMatch(new RegExp(`not in the archive +${crawl.missing} `));
    const funnel = stdout.split('\n').filter((line) => !line.startsWith('Released to '));
    expect(funnel.filter((line) => line.length > 80)).toEqual([]);
    expect(stderr).toMatch(/^harvest .*pairs\/s/m);
  });

  it('stats prints it again, as text and as JSON', async () => {
    const text = await gleaner(['stats', out]);
    expect(text.stdout).toContain(`${crawl.unique - crawl.missing} pairs released`);
    const stats = JSON.parse((await gleaner(['stats', out, '--json'])).stdout);
    expect(stats).toMatchObject({ rows: crawl.unique - crawl.missing, recipe: { name: 'everything' } });
  });

  it('explain says where a pair is and why another is not', async () => {
    const { stdout: kept } = await gleaner(['explain', out, 'http://img.example/0.png']);
    expect(kept).toMatch(/^kept +SAMPLE_ID \d+/);
    expect(kept).toMatch(/^language +en \(confidence 0\.\d\d\)$/m);
    expect(kept.slice(kept.indexOf('steps')).match(/^ {2}\w+ +\w+/gm)).toEqual(
      ['pair', 'unique', 'fetched', 'image', 'matched', 'safe'].map((step) => `  ${step.padEnd(9)} passed`),
    );
    expect(kept).toMatch(/^ {2}pair +passed: \d+ characters \(at least 1\), language en by 0\.\d\d$/m);
    expect(kept).toMatch(/^ {2}matched +passed: similarity -?0\.\d{4} \(no threshold\)$/m);
    expect((await gleaner(['explain', out, 'http://img.example/9.png'])).stdout).toMatch(
      /^dropped +not_archived[\s\S]*^ {2}unique +passed.*\n {2}fetched +DROPPED: not in the archive\n\n$/m,
    );
    expect((await gleaner(['explain', out, 'http://img.example/x\u202e'])).stdout).toMatch(
      /no pair of this run/,
    );
  });

  it('extract and dedup alone leave what a run has between them', async () => {
    const [pairs, unique] = [join(folder, 'pairs'), join(folder, 'unique')];
    const extracted = await gleaner([
      'extract',
      '--recipe',
      'everything',
      '--wat',
      ...crawl.wats,
      '--out',
      pairs,
      '--json',
    ]);
    expect(JSON.parse(extracted.stdout)).toMatchObject({ link: { in: crawl.links, out: crawl.withText } });
    const { code, stdout } = await gleaner(['dedup', '--pairs', pairs, '--out', unique, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      unique: {
        in: crawl.withText,
        out: crawl.unique,
        dropped: { duplicate: crawl.withText - crawl.unique },
      },
    });
  });

  it('index and serve answer a search, and Ctrl-C ends it', async () => {
    expect(await gleaner(['index', out])).toMatchObject({ code: 0 });
    const server = startGleaner(['serve', out, '--port', '0', '--json']);
    if (!server.stdout) throw new Error('no output');
    const [line] = (await once(createInterface(server.stdout), 'line')) as [string];
    const { url, rows } = JSON.parse(line);
    expect(rows).toBe(crawl.unique - crawl.missing);
    const body = JSON.stringify({
      text: 'a red circle',
      modality: 'image',
      num_images: 5,
      indice_name: 'out',
    });
    const answer = await fetch(new URL('/knn-service', url), { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toHaveLength(5);
    server.kill('SIGINT');
    const [code] = await once(server, 'exit');
    expect(code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });
});
