import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { screenshotFolder } from './browser.ts';
import { built, detailsOf, fitsWidth, idsOn, SearchPage, tilesOf } from './search-page.ts';

describe.skipIf(!built)('how the search page looks', { timeout: 90_000 }, () => {
  const site = new SearchPage();
  const press = (name: string) => (page: Page) => page.getByRole('button', { name, exact: true }).click();

  test.each([
    ['phone', { width: 360, height: 740 }],
    ['tablet', { width: 820, height: 1180 }],
    ['desktop', { width: 1440, height: 900 }],
    ['wall', { width: 2560, height: 1300 }],
  ])('%s: nothing is cropped or sticks out, rows fill the width', async (_, viewport) => {
    const page = await site.visit('/?dup=1', { viewport });
    await idsOn(page);
    expect(await fitsWidth(page)).toBe(true);
    const grid = await page.locator('.grid').boundingBox();
    const boxes = await tilesOf(page).evaluateAll((links) =>
      links.map((link) => {
        const { x, y, width, height } = link.getBoundingClientRect();
        return { x, y, width, height, id: Number(link.getAttribute('data-id')) };
      }),
    );
    for (const box of boxes) {
      const row = site.all[box.id]?.row;
      expect(box.width / box.height).toBeCloseTo((row?.storedWidth ?? 0) / (row?.storedHeight ?? 1), 1);
    }
    const lines = Map.groupBy(boxes, (box) => Math.round(box.y));
    const widths = [...lines.values()]
      .slice(0, -1)
      .map((line) => Math.max(...line.map((box) => box.x + box.width)));
    for (const right of widths) expect(right).toBeCloseTo((grid?.x ?? 0) + (grid?.width ?? 0), 0);
  });

  test.each([
    ['phone', { width: 360, height: 740 }],
    ['desktop', { width: 1280, height: 800 }],
  ])('%s: a menu is whole within the window, and Esc closes it alone', async (_, viewport) => {
    const page = await site.visit('/?q=red&dup=1', { viewport });
    await idsOn(page);
    for (const name of ['Language', 'Licence', 'Site', 'Size', 'Shape', 'Text match', 'Words', 'Download']) {
      const button = page.getByRole('button', { name, exact: true });
      await button.click();
      const menu = page.locator('.menu:popover-open');
      await menu.locator('label, input').first().waitFor();
      expect(await button.getAttribute('aria-expanded')).toBe('true');
      const box = await menu.boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(viewport.width);
      expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(viewport.height);
      expect(await fitsWidth(page)).toBe(true);
      await page.keyboard.press('Escape');
      await menu.waitFor({ state: 'detached' });
    }
    expect(new URL(page.url()).search).toBe('?q=red&dup=1');
  });

  test('on a phone, details cover the page and give it back', async () => {
    const page = await site.visit('/?q=red+circle', { viewport: { width: 360, height: 740 } });
    await idsOn(page);
    await tilesOf(page).first().click();
    const details = detailsOf(page);
    await details.waitFor();
    expect(await details.boundingBox()).toEqual({ x: 0, y: 0, width: 360, height: 740 });
    expect(await page.locator('main[inert], header[inert], footer[inert]').count()).toBe(3);
    await details.getByRole('button', { name: 'Close the details' }).click();
    await page.locator('a.tile:focus[data-index="0"]').waitFor();
    expect(await page.locator('[inert]').count()).toBe(0);
  });

  test('nothing moves where the reader asked for no motion', async () => {
    const moving = async (reducedMotion: 'reduce' | 'no-preference') => {
      const page = await site.visit('/?q=red', { reducedMotion });
      await idsOn(page);
      const times: string[] = await page.evaluate(`[...document.querySelectorAll('*')].flatMap((element) => {
        const { transitionDuration, animationName } = getComputedStyle(element);
        return [transitionDuration, animationName === 'none' ? '0s' : animationName];
      })`);
      return times.some((time) => !/^0s(, 0s)*$/.test(time));
    };
    expect(await moving('no-preference')).toBe(true);
    expect(await moving('reduce')).toBe(false);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing to mend, %s', async (colorScheme) => {
    const seen = async (page: Page, path: string, act?: (page: Page) => Promise<void>) => {
      await page.goto(site.address(path));
      await page.locator('.tile.here, .message').first().waitFor();
      if (path.includes('id=')) await page.getByRole('region', { name: 'Why it was kept' }).waitFor();
      await act?.(page);
      await page.waitForLoadState('networkidle');
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${path} ${id}: ${nodes[0]?.html}`)).toEqual([]);
    };
    const desktop = await site.visit('/', { colorScheme });
    await seen(desktop, '/');
    await seen(desktop, '/?q=red+square&id=8&nsfw=1');
    await seen(desktop, '/?q=red&like=-9&and=-green&lang=en&side=512&dup=1', press('Language'));
    await seen(desktop, '/?text=triangle&by=text', press('Words'));
    await seen(desktop, '/?q=red&site=nowhere.example', press('Site'));
    await seen(desktop, '/?picture=gone-1', press('Download'));
    await seen(desktop, '/?q=red&id=8', press('Report this picture'));
    const phone = await site.visit('/', { colorScheme, viewport: { width: 360, height: 740 } });
    await seen(phone, '/?q=red&like=-9&lang=en');
    await seen(phone, '/?q=red', press('Licence'));
    await seen(phone, '/?q=red&id=8', press('Report this picture'));
  });

  test.skipIf(!screenshotFolder)('screenshots', async () => {
    for (const colorScheme of ['light', 'dark'] as const)
      for (const [name, path, width, height] of [
        ['home', '/', 1280, 800],
        ['details', '/?q=red+square&like=-20&id=8', 1280, 800],
        ['phone', '/?q=blue+circle', 360, 740],
        ['phone-details', '/?q=blue+circle&id=36', 360, 740],
        ['failed', '/?picture=gone-1', 1024, 700],
      ] as const) {
        const page = await site.visit(path, { colorScheme, viewport: { width, height } });
        await page.waitForLoadState('networkidle');
        await writeFile(join(screenshotFolder ?? '.', `${name}-${colorScheme}.png`), await page.screenshot());
      }
  });
});
