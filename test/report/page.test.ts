import chromium from '@sparticuz/chromium';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  collectSamples,
  collectStatistics,
  type PricedCosts,
  priceCosts,
  renderReport,
} from '../../src/stages/report/index.ts';
import { HOSTILE, HOSTILE_INPUT, HOSTILE_ROWS, HOSTILE_TRAIL } from './hostile.ts';
import { SIX_INPUT, SIX_ROWS, SIX_TRAIL, temporaryStorage, writeRelease } from './small-release.ts';

async function report(...given: Parameters<typeof writeRelease> extends [unknown, ...infer R] ? R : never) {
  const [parts, trail] = given;
  await using folder = await temporaryStorage();
  await writeRelease(folder.storage, parts, trail, { images: true });
  const input = parts === SIX_ROWS ? SIX_INPUT : HOSTILE_INPUT;
  const stats = await collectStatistics(folder.storage, input);
  return renderReport(stats, await collectSamples(folder.storage, stats));
}

let browser: Browser;
beforeAll(async () => {
  // One process for all is meant for AWS Lambda; elsewhere it hangs when a page closes.
  const args = chromium.args.filter((arg) => arg !== '--single-process');
  browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args,
    headless: true,
  });
});
afterAll(() => browser?.close());

async function show(
  html: string,
  width = 1280,
): Promise<{ page: Page; requests: string[]; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const requests: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) requests.push(request.url());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.setContent(html);
  return { page, requests, errors };
}

describe('report.html in a browser', () => {
  test('shows the figures, all steps and reasons, the size table, the threshold and the pictures', async () => {
    const { page, requests, errors } = await show(await report(SIX_ROWS, SIX_TRAIL));
    const steps = await page.locator('.funnel .step').allInnerTexts();
    expect(steps.map((s) => s.split(/\s*\n\s*/).filter(Boolean))).toEqual([
      ['image links', '40', '100.0 %'],
      ['links with a text', '30', '75.0 %', '75.0 %'],
      ['texts accepted', '24', '80.0 %', '60.0 %'],
      ['unique pairs', '20', '83.3 %', '50.0 %'],
      ['images fetched', '15', '75.0 %', '37.5 %'],
      ['images accepted', '13', '86.7 %', '32.5 %'],
      ['text and image match', '7', '53.8 %', '17.5 %'],
      ['kept', '6', '85.7 %', '15.0 %'],
    ]);
    const reasons = await page.locator('.funnel .reason .t').allInnerTexts();
    expect(reasons).toContain('HTTP status is not 200');
    expect(reasons).toHaveLength(11);
    const widths = await page
      .locator('.funnel .step .track')
      .evaluateAll((tracks) =>
        tracks.map(
          (t) => Number(t.firstElementChild?.getBoundingClientRect().width) / t.getBoundingClientRect().width,
        ),
      );
    for (const [i, share] of [1, 0.75, 0.6, 0.5, 0.375, 0.325, 0.175, 0.15].entries())
      expect(widths[i]).toBeCloseTo(share, 2);
    expect(await page.locator('.mark').first().textContent()).toMatch(/6 dropped\s*6 kept/);
    const cells = page.getByRole('row', { name: 'height and width ≥ 512' }).getByRole('cell');
    expect(await cells.allTextContents()).toEqual(['4', '66.7 %']);
    const own = page.locator('.thresholds').getByRole('row', { name: '0.30' }).getByRole('cell');
    expect(await own.allTextContents()).toEqual(['7', '53.8 %', '6']);
    const below = page.locator('.thresholds').getByRole('row', { name: '0.28' }).getByRole('cell');
    expect(await below.allTextContents()).toEqual(['9', '69.2 %', 'not judged']);
    // Four of the six are UNLIKELY.
    const pictures = page.locator('.pictures img');
    expect(await pictures.count()).toBe(4);
    for (const picture of await pictures.all())
      expect(await picture.evaluate((img) => 'naturalWidth' in img && img.naturalWidth)).toBeGreaterThan(0);
    expect(requests).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test.each([360, 768, 2560])('does not scroll sideways at %i pixels', async (width) => {
    const { page } = await show(await report([HOSTILE_ROWS], HOSTILE_TRAIL), width);
    for (const details of await page.locator('details').all())
      await details.evaluate((element) => element.setAttribute('open', ''));
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    await page.close();
  });

  test('time and cost by stage, where they are given', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
    const stats = await collectStatistics(folder.storage, SIX_INPUT);
    const harvest = {
      stage: 'harvest',
      tasks: 2,
      things: 20,
      unit: 'pairs',
      taskSeconds: 90,
      cpuSeconds: 7200,
    };
    const trail = { ...harvest, stage: 'trail', cpuSeconds: null };
    const cells = async (costs: PricedCosts) => {
      const { page } = await show(renderReport(stats, [], costs), 360);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      const rows = await page.locator('section', { hasText: 'Time and cost' }).getByRole('row').all();
      const texts = await Promise.all(rows.slice(1).map((r) => r.locator('th, td').allTextContents()));
      await page.close();
      return texts;
    };
    // Two CPU-hours at 3; six pairs come out.
    expect(await cells(priceCosts([harvest], 3, 6))).toEqual([
      ['harvest', '2', '20 pairs', '90.0 s', '2.00 h', '0.00278', '6.00'],
      ['all', '2', '6 released', '90.0 s', '2.00 h', '0.000833', '6.00'],
    ]);
    expect(await cells(priceCosts([harvest, trail], null, 6))).toEqual([
      ['harvest', '2', '20 pairs', '90.0 s', '2.00 h', '0.00278'],
      ['trail', '2', '20 pairs', '90.0 s', 'not known', '–'],
      ['all', '4', '6 released', '180.0 s', 'not known', '–'],
    ]);
  });

  test('hostile texts are text', async () => {
    const { page, requests, errors } = await show(await report([HOSTILE_ROWS], HOSTILE_TRAIL));
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('script, iframe, object, embed, base, form, link').count()).toBe(0);
    const handlers = await page.evaluate(
      `[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith('on'))`,
    );
    expect(handlers).toEqual([]);
    const links = await page.locator('a').evaluateAll((all) => all.map((a) => a.getAttribute('href') ?? ''));
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) expect(link).toMatch(/^https:\/\/a\.example\//);
    expect(requests).toEqual([]);
    expect(errors).toEqual([]);

    // They are there, as they were written, but for what HTML has no character for.
    const captions = await page.locator('.pictures .caption bdi').allTextContents();
    expect(captions).toContain(HOSTILE[0]);
    expect(captions).toContain(HOSTILE[1]);
    expect(captions).toContain('nul \u{fffd} bell \u{fffd} lone \u{fffd} surrogate');
    // And none stands outside of an element that ends its direction.
    const loose = await page.evaluate(
      `(() => { const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); const found = [];
        while (walk.nextNode()) if (/[\\u202a-\\u202e\\u2066-\\u2069\\u200f]/.test(walk.currentNode.data)
          && !walk.currentNode.parentElement.closest('bdi')) found.push(walk.currentNode.data); return found; })()`,
    );
    expect(loose).toEqual([]);
    await page.close();
  });

  test('text has a contrast of at least 4.5 to 1, in light and dark', async () => {
    const html = await report(SIX_ROWS, SIX_TRAIL);
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await show(html);
      await page.emulateMedia({ colorScheme });
      const colors = await page.evaluate(
        `[document.body, ...document.querySelectorAll('.eyebrow, a, .mark .above, td, .reason')].map((e) =>
          [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor])`,
      );
      for (const [text, paper] of colors as [string, string][])
        expect(contrast(text, paper)).toBeGreaterThan(4.5);
      await page.close();
    }
  });
});

/** WCAG 2.2, "contrast ratio". */
function contrast(a: string, b: string): number {
  const [light = 1, dark = 1] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(rgb: string): number {
  const [r = 0, g = 0, b = 0] = (rgb.match(/\d+/g) ?? []).map((n) => {
    const c = Number(n) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
