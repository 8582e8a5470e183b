import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEnds } from '../../demo/ends.ts';
import { judge } from '../../demo/judge.ts';
import type { Plan } from '../../demo/plan.ts';
import { parseStatistics, type Service, type Statistics, serve, verifyRun } from '../../src/index.ts';
import { lockFolder } from '../../src/pipeline/lock.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { launchBrowser } from '../browser/browser.ts';
import { ROOT } from '../support/gleaner.ts';

/** A fifth of the demo's own web: some 600 links, every fate among them. */
const PICTURES = 600;

describe('the demo, from a small web to a searchable release', () => {
  let out: string;
  let printed: string;
  let plan: Plan;
  let stats: Statistics;

  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'gleaner-demo-'));
    const args = ['--no-serve', '--out', out, '--pictures', String(PICTURES), '--web-port', '0'];
    // It exits with 1 where a link has not ended as planned: then this throws, with what it printed.
    const { stdout } = await promisify(execFile)(process.execPath, ['demo/main.ts', ...args], { cwd: ROOT });
    printed = stdout;
    plan = JSON.parse(await readFile(join(out, 'plan.json'), 'utf8'));
    stats = parseStatistics(await readFile(join(out, 'release', 'stats.json'), 'utf8'), 'stats.json');
  }, 240_000);

  it('ends every link as its maker planned', async () => {
    const noText = stats.ledgers.link.dropped.no_text ?? 0;
    const judgement = judge(plan, await readEnds(out), noText);
    expect(judgement.mismatches).toEqual([]);
    expect(judgement.asPlanned).toBe(plan.links.length);
    expect(printed).toContain(`${plan.links.length} of ${plan.links.length} links ended as planned`);
  });

  it('shows every reason that the plan has, with its count', () => {
    const counts = Map.groupBy(plan.links, ({ end }) => end);
    for (const [end, links] of counts) {
      if (end === 'scored') continue;
      const dropped = Object.assign({}, ...Object.values(stats.ledgers).map((ledger) => ledger?.dropped));
      expect([end, dropped[end]]).toEqual([end, links.length]);
    }
    expect(counts.size).toBeGreaterThan(12);
  });

  it('keeps right texts and drops wrong ones at the threshold', async () => {
    const { threshold } = judge(plan, await readEnds(out), stats.ledgers.link.dropped.no_text ?? 0);
    // The whole demo gives .81, .99 and .99. Its texts are longer than the captions of the encoder's own measure.
    expect(threshold.recall).toBeGreaterThan(0.72);
    expect(threshold.specificity).toBeGreaterThan(0.95);
    expect(threshold.precision).toBeGreaterThan(0.95);
  });

  it('passes verify', async () => {
    const { problems, rows } = await verifyRun(fileStorage(out));
    expect(problems).toEqual([]);
    expect(rows).toBe(stats.rows);
  });

  describe('searched in the browser', () => {
    let service: Service;
    let browser: Browser;

    beforeAll(async () => {
      service = await serve(out, { port: 0 });
      browser = await launchBrowser();
    });

    afterAll(async () => {
      await browser?.close();
      await service?.close();
    });

    it('finds a picture by the words of its own text', async () => {
      const wanted = (await readEnds(out)).find(({ end }) => end === 'released');
      if (!wanted) throw new Error('nothing was released');
      const page = await browser.newPage();
      await page.goto(service.url);
      await page.keyboard.press('/');
      await page.keyboard.type(wanted.text);
      await page.keyboard.press('Enter');
      const first = page.getByRole('listitem').first();
      await first.waitFor();
      const texts = await page
        .getByRole('img')
        .evaluateAll((all) => all.map((img) => img.getAttribute('alt')));
      expect(texts.slice(0, 20)).toContain(wanted.text);
      await page.close();
    });
  });
});

describe('the demo, stopped by Ctrl-C', () => {
  it.each([
    ['while the web is made', 'stdout', /^A small web/],
    ['while the run harvests', 'stderr', /^dedup .*100 %/],
  ] as const)('%s leaves nothing running', { timeout: 120_000 }, async (_when, stream, line) => {
    const out = await mkdtemp(join(tmpdir(), 'gleaner-demo-stop-'));
    const args = ['demo/main.ts', '--out', out, '--pictures', '200', '--web-port', '0', '--port', '0'];
    const demo = spawn(process.execPath, args, { cwd: ROOT });
    demo.stdout.resume();
    demo.stderr.resume();
    const ended = once(demo, 'close'); // Not only its exit: every process that holds its output is gone.
    for await (const text of createInterface(demo[stream])) if (line.test(text)) break;
    demo.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    await (await lockFolder(out))();
  });
});
