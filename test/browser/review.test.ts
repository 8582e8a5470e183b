import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ReviewService, reviewRun } from '../../src/service/review/index.ts';
import { reviewSamples, writeReviewRelease } from '../review/small-review.ts';
import type { Sample } from '../service/small-release.ts';
import { launchBrowser, openPage, screenshotFolder } from './browser.ts';

const built = existsSync(fileURLToPath(new URL('../../web/dist/review.html', import.meta.url)));
if (!built) console.warn('The review page is not built, so it is not tested: npm run build:web');

describe.skipIf(!built)('the review page', { timeout: 60_000 }, () => {
  let dir = '';
  let all: Sample[] = [];
  let service: ReviewService;
  let browser: Browser;
  const complaints: string[] = [];
  const strangers: string[] = [];
  let shown: Page | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'review-page-'));
    all = await reviewSamples();
    await writeReviewRelease(dir, all);
    browser = await launchBrowser();
  }, 60_000);
  beforeEach(async () => {
    await rm(join(dir, 'review'), { recursive: true, force: true });
    // Every pair: the order is random, but which are there is not.
    service = await reviewRun(dir, { port: 0, sample: { perBand: 75, perFlagged: 75 } });
  });
  afterEach(async () => {
    await shown?.context().close();
    shown = undefined;
    await service.close();
    expect(complaints.splice(0)).toEqual([]);
    expect(strangers.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function visit(options: BrowserContextOptions = {}, path = '/'): Promise<Page> {
    shown = await openPage(browser, service.url, path, { complaints, strangers }, options);
    return shown;
  }

  const lines = async () =>
    (await readFile(join(dir, 'review/judgements.jsonl'), 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line): Record<string, string | null> => JSON.parse(line));
  const at = (page: Page, pair: number) => page.getByText(`Pair ${pair} of 75`).waitFor();
  const judged = (page: Page, n: number) => page.getByText(`${n} of 75 judged`).waitFor();
  const isFlagged = async (page: Page) => (await page.getByRole('button', { name: 'Show it' }).count()) > 0;
  const textOn = (page: Page) => page.locator('.pair bdi').textContent();
  /** Judges the pair on the page by keys alone. */
  async function judge(page: Page, key: 'f' | 'j'): Promise<void> {
    if (await isFlagged(page)) {
      await page.keyboard.press('b');
      await page.getByAltText('The picture to judge').waitFor();
      await page.keyboard.press('s');
      await page.getByRole('status').getByText('safe: now, does the text match?').waitFor();
    }
    await page.keyboard.press(key);
  }

  test('by keys alone, each judgement on the disk before the next pair comes; goes on after a reload', async () => {
    const page = await visit();
    for (let n = 1; n <= 6; n++) {
      await at(page, n);
      await judge(page, n % 3 === 0 ? 'f' : 'j');
      await judged(page, n);
      expect((await lines()).map(({ match }) => match)).toHaveLength(n);
    }
    expect((await lines()).map(({ match, safe }) => `${match} ${safe}`)).toEqual([
      ...['yes yes', 'yes yes', 'no yes', 'yes yes', 'yes yes', 'no yes'],
    ]);
    const text = await textOn(page);
    await page.reload();
    await at(page, 7);
    await judged(page, 6);
    expect(await textOn(page)).toBe(text);
  });

  test('undo, a changed judgement, and a step on without one', async () => {
    const page = await visit();
    await at(page, 1);
    await judge(page, 'j');
    await at(page, 2);
    await page.keyboard.press('z');
    await at(page, 1);
    await judged(page, 0);
    await page.getByRole('status').getByText('Taken back.').waitFor();
    await judge(page, 'f');
    await at(page, 2);
    await page.keyboard.press('ArrowLeft');
    await at(page, 1);
    await page.getByText('judged before').waitFor();
    expect(await page.getByRole('button', { name: 'Does not' }).getAttribute('aria-pressed')).toBe('true');
    // One that is judged already needs one key to say the other.
    if (await isFlagged(page)) await page.keyboard.press('b');
    await page.keyboard.press('n');
    await at(page, 2);
    expect((await lines()).map(({ match, safe }) => [match, safe])).toEqual([
      ['yes', 'yes'],
      [null, null],
      ['no', 'yes'],
      ['no', 'no'],
    ]);
    await page.keyboard.press('ArrowRight');
    await at(page, 3);
    await judge(page, 'j');
    await judged(page, 2);
    await page.reload();
    // The one that was passed over is the first that is open.
    await at(page, 2);
  });

  test('what may not be safe is covered, and not judged unseen; U passes it over', async () => {
    const page = await visit();
    const flaggedPlace = async () => {
      for (let n = 1; ; n++) {
        await at(page, n);
        if (await isFlagged(page)) return n;
        await page.keyboard.press('ArrowRight');
      }
    };
    const n = await flaggedPlace();
    expect(await page.locator('img.picture.covered').count()).toBe(1);
    await page.getByText('may not be safe for work').waitFor();
    await page.keyboard.press('j');
    await page.getByRole('status').getByText('Look at the picture first').waitFor();
    await page.keyboard.down('v');
    await page.locator('img.picture:not(.covered)').waitFor();
    await page.keyboard.up('v');
    await page.locator('img.picture.covered').waitFor();
    // Seen now: both questions are open, and neither is answered for the reviewer.
    await page.keyboard.press('n');
    await page.getByRole('status').getByText('not safe: now, does the text match?').waitFor();
    await page.keyboard.press('j');
    await at(page, n + 1);
    const m = n + (await flaggedFrom(page, n + 1));
    await page.keyboard.press('u');
    await judged(page, 2);
    expect((await lines()).map(({ match, safe }) => [match, safe])).toEqual([
      ['yes', 'no'],
      ['unsure', 'unsure'],
    ]);
    expect(m).toBeGreaterThan(n);

    async function flaggedFrom(on: Page, from: number): Promise<number> {
      for (let step = 0; ; step++) {
        await at(on, from + step);
        if (await isFlagged(on)) return step + 1;
        await on.keyboard.press('ArrowRight');
      }
    }
  });

  test('all judged by the buttons, on a phone; then the figures say so', async () => {
    const page = await visit({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    for (let n = 1; n <= 75; n++) {
      await at(page, n);
      if (await isFlagged(page)) {
        await page.getByRole('button', { name: 'Show it' }).tap();
        await page.getByRole('button', { name: 'Not safe' }).tap();
      }
      await page.getByRole('button', { name: n <= 60 ? 'Matches' : 'Does not' }).tap();
      await judged(page, n);
    }
    await page.getByText('All 75 pairs are judged.').waitFor();
    await page.getByRole('link', { name: 'What they say' }).tap();
    // Every pair of the release is judged: 60 of 75, and nothing is left open.
    await page.getByText('80.0 %', { exact: true }).first().waitFor();
    await page.getByText('95 % interval: 80.0 – 80.0').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    const cells = (name: string) =>
      page
        .getByRole('row', { name: new RegExp(`^${name}`) })
        .first()
        .locator('th, td')
        .allTextContents();
    expect(await cells('0.30 \\(now\\)')).toContain('75');
    // Unsafe was said of all that was covered: every NSFW, every UNSURE, and what is tagged beside.
    expect((await cells('NSFW or UNSURE'))[1]).toBe('0.0 %');
    await service.close();
    const report = JSON.parse(await readFile(join(dir, 'review/report.json'), 'utf8'));
    expect(report).toMatchObject({ judged: 75, precision: { share: expect.closeTo(0.8, 12), yes: 60 } });
  });

  test('texts of strangers stay text, long ones are folded', async () => {
    const page = await visit();
    const seen = new Map<string, number>();
    for (let n = 1; n <= 75; n++) {
      await at(page, n);
      seen.set((await textOn(page)) ?? '', n);
      if ((await page.getByRole('button', { name: 'Show all 10,000 characters' }).count()) > 0) {
        await page.getByRole('button', { name: 'Show all 10,000 characters' }).click();
        expect((await textOn(page))?.length).toBe(10_000);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
        // The questions stay in sight.
        expect(await page.getByRole('button', { name: 'Matches' }).isVisible()).toBe(true);
      }
      await page.keyboard.press('ArrowRight');
    }
    expect(seen.has(all[1]?.row.text ?? '?')).toBe(true);
    expect(seen.has(all[3]?.row.text ?? '?')).toBe(true);
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
  });

  test('a service that is away is told, and nothing is lost or said to be saved', async () => {
    const page = await visit();
    await at(page, 1);
    await page.route('**/api/judgements', (route) => route.abort());
    await judge(page, 'j');
    await page.getByRole('alert').getByText('Not saved. The service cannot be reached.').waitFor();
    await judged(page, 0);
    await page.unroute('**/api/judgements');
    await page.keyboard.press('j');
    await at(page, 2);
    await judged(page, 1);
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test.each([
    [360, 740],
    [820, 1180],
    [1280, 800],
    [2560, 1300],
  ])('at %i × %i nothing sticks out, and the questions are in sight', async (width, height) => {
    const page = await visit({ viewport: { width, height } });
    await at(page, 1);
    await page.locator('img.picture').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    // Where there is a keyboard, an answer has its key before its name.
    for (const name of [/Does not$/, /Matches$/, /Not safe$/, /^(S )?Safe$/]) {
      const box = await page.getByRole('button', { name }).boundingBox();
      expect((box?.y ?? height) + (box?.height ?? 0)).toBeLessThanOrEqual(height);
    }
  });

  test.each(['light', 'dark'] as const)('axe finds nothing to mend, %s', async (colorScheme) => {
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 360, height: 740 },
    ]) {
      const page = await visit({ colorScheme, viewport });
      const look = async (where: string) => {
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => `${where} ${id}: ${nodes[0]?.html}`)).toEqual([]);
      };
      let [plain, covered] = [false, false];
      for (let n = 1; n < 30 && !(plain && covered); n++) {
        await at(page, n);
        const flagged = await isFlagged(page);
        if (flagged ? !covered : !plain) await look(`pair ${n}`);
        if (flagged) covered = true;
        else plain = true;
        await page.keyboard.press('ArrowRight');
      }
      expect([plain, covered]).toEqual([true, true]);
      await page.getByRole('button', { name: 'Cannot tell' }).click();
      await judged(page, 1);
      await page.getByRole('link', { name: 'Figures' }).click();
      await page.getByRole('heading', { name: 'By similarity' }).waitFor();
      await look('figures');
      await page.context().close();
      await rm(join(dir, 'review'), { recursive: true, force: true });
    }
    shown = undefined;
  });

  test.skipIf(!screenshotFolder)('screenshots', async () => {
    const filler = await visit();
    for (let n = 1; n <= 60; n++) {
      await at(filler, n);
      await judge(filler, n % 7 === 0 ? 'f' : 'j');
      await judged(filler, n);
    }
    await filler.context().close();
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of [1280, 360, 2560])
        for (const view of ['pair', 'covered', 'figures']) {
          const page = await visit(
            { colorScheme, viewport: { width, height: width === 360 ? 740 : 900 } },
            view === 'figures' ? '/#figures' : '/',
          );
          if (view === 'figures') await page.getByRole('heading', { name: 'By similarity' }).waitFor();
          else {
            await page.locator('img.picture').waitFor();
            for (let i = 0; i < 70 && (await isFlagged(page)) !== (view === 'covered'); i++) {
              await page.keyboard.press('ArrowLeft');
              await page.locator('img.picture').waitFor();
            }
          }
          await writeFile(
            join(screenshotFolder ?? '.', `review-${view}-${width}-${colorScheme}.png`),
            await page.screenshot({ fullPage: view === 'figures' }),
          );
          await page.context().close();
        }
    shown = undefined;
  });
});
