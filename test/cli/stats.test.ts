import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';

const sweepSchema = z.array(
  z.object({
    threshold: z.number(),
    own: z.boolean(),
    passed: z.number(),
    share: z.number(),
    released: z.number().nullable(),
  }),
);
const costsSchema = z.object({
  costs: z.object({
    stages: z.array(
      z.object({
        stage: z.string(),
        things: z.number(),
        cpuSeconds: z.number().nullable(),
        cost: z.number().nullable(),
      }),
    ),
    all: z.object({ cpuSeconds: z.number().nullable(), cost: z.number().nullable() }),
  }),
});

describe('gleaner stats', () => {
  let folder: string;
  let out: string;
  let crawl: SmallCrawl;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-stats-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 2, pagesPerWat: 4 });
    out = join(folder, 'out');
    const from = ['--images-from', crawl.archive, '--out', out];
    const { code } = await gleaner(['run', '--recipe', 'everything', '--wat', ...crawl.wats, ...from]);
    expect(code).toBe(0);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('prints every figure in 80 columns', async () => {
    const { stdout } = await gleaner(['stats', out, '--price-per-cpu-hour', '36']);
    for (const heading of ['Distributions', 'Sizes in pixels', 'Languages', 'Licences', 'Image hosts'])
      expect(stdout).toContain(`\n${heading}`);
    for (const heading of ['NSFW classes', 'Formats', 'Failed fetches', 'Time and cost by stage'])
      expect(stdout).toContain(`\n${heading}`);
    expect(stdout).toMatch(/^similarity +-?0\.\d{3}/m);
    expect(stdout).toMatch(new RegExp(`^harvest .* ${crawl.unique} pairs`, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('tells CPU time of every stage, and its cost at a price', async () => {
    const { stdout } = await gleaner(['stats', out, '--json', '--price-per-cpu-hour', '36']);
    const { costs } = costsSchema.parse(JSON.parse(stdout));
    expect(costs.stages.map(({ stage }) => stage)).toEqual([
      'extract',
      'dedup',
      'harvest',
      'release',
      'trail',
      'report',
    ]);
    let sum = 0;
    for (const { cpuSeconds, cost } of costs.stages) {
      expect(cpuSeconds).toBeGreaterThan(0);
      // 36 an hour are 0.01 a second.
      expect(cost).toBeCloseTo((cpuSeconds ?? 0) / 100, 9);
      sum += cpuSeconds ?? 0;
    }
    expect(costs.all.cpuSeconds).toBeCloseTo(sum, 9);
  });

  test('a manifest of an earlier version has no CPU time: nothing is made up', async () => {
    const path = join(out, 'tasks/harvest/00000.json');
    const before = await readFile(path, 'utf8');
    const { cpuSeconds: _, ...earlier } = JSON.parse(before);
    await writeFile(path, JSON.stringify(earlier));
    try {
      const { stdout } = await gleaner(['stats', out, '--json', '--price-per-cpu-hour', '36']);
      const { costs } = costsSchema.parse(JSON.parse(stdout));
      const harvest = costs.stages.find(({ stage }) => stage === 'harvest');
      expect(harvest).toMatchObject({ things: crawl.unique, cpuSeconds: null, cost: null });
      expect(costs.all).toMatchObject({ cpuSeconds: null, cost: null });
      expect((await gleaner(['stats', out])).stdout).toMatch(/^harvest .* not known/m);
    } finally {
      await writeFile(path, before);
    }
  });

  test('--sweep: as text and as JSON, the recipe without a threshold', async () => {
    const { stdout } = await gleaner(['stats', out, '--sweep']);
    expect(stdout).toContain('The recipe has no threshold.');
    const released = crawl.unique - crawl.missing;
    const lines = sweepSchema.parse(JSON.parse((await gleaner(['stats', out, '--sweep', '--json'])).stdout));
    expect(lines[0]).toMatchObject({ passed: released, released, share: 1, own: false });
    expect(lines.at(-1)).toMatchObject({ passed: 0, released: 0 });
  });

  test('--html writes the page with times; the released page has none', async () => {
    const path = join(folder, 'costs.html');
    expect((await gleaner(['stats', out, '--html', path])).code).toBe(0);
    expect(await readFile(path, 'utf8')).toContain('>CPU time</th>');
    expect(await readFile(join(out, 'release/report.html'), 'utf8')).not.toContain('CPU time');
  });

  test.each(['-1', 'cheap', ''])('a price of %j is refused', async (price) => {
    const { code, stderr } = await gleaner(['stats', out, '--price-per-cpu-hour', price]);
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
  });
});
