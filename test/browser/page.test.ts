import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { drawing, shapeEmbedder } from '../service/shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from '../service/small-release.ts';
import { launchBrowser, openPage, screenshotFolder } from './browser.ts';

const built = existsSync(fileURLToPath(new URL('../../web/dist/index.html', import.meta.url)));
if (!built) console.warn('The page is not built, so it is not tested: npm run build:web');

describe.skipIf(!built)('the search page', { timeout: 30_000 }, () => {
  let dir = '';
  let all: Sample[] = [];
  let service: Service;
  let browser: Browser;
  /** Errors and breaches of the page's policy, of all pages. */
  const complaints: string[] = [];
  /** Requests to anywhere but the service. */
  const strangers: string[] = [];
  let shown: Page | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'page-'));
    all = await samples();
    await writeRelease(dir, all);
    await indexRelease({ dir }, stageContext(dir));
    service = await startService({ dir, port: 0, embedder: shapeEmbedder });
    browser = await launchBrowser();
  }, 60_000);
  afterEach(async () => {
    await shown?.context().close();
    shown = undefined;
    expect(complaints.splice(0)).toEqual([]);
    expect(strangers.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await service?.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function visit(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    shown = await openPage(browser, service.url, path, { complaints, strangers }, options);
    return shown;
  }

  const tiles = (page: Page) => page.locator('.grid a.tile');
  /** The ids of the pictures, once there are any, and those of the search before are gone. */
  async function idsOn(page: Page): Promise<number[]> {
    await page.locator('.grid a.tile.here').first().waitFor();
    return tiles(page).evaluateAll((links) => links.map((link) => Number(link.getAttribute('data-id'))));
  }
  const search = async (page: Page, words: string) => {
    await page.getByLabel('Search by words').fill(words);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: words }).waitFor();
    await page.getByText(/^The \d+ nearest/).waitFor();
  };
  const textOf = (id: number | undefined) => all[id ?? -1]?.row.text ?? '';

  test('begins with a handful of the release, a count, and the name of the encoder', async () => {
    const page = await visit('/');
    expect(await page.title()).toBe('gleaner');
    expect(await idsOn(page)).toHaveLength(60);
    await page.getByText('60 of 75 pairs').waitFor();
    await page.getByText(shapeEmbedder.name).waitFor();
    await page.getByRole('button', { name: 'Another handful' }).click();
    await page.waitForURL(/seed=\d+/);
  });

  test('searches by words, and the address finds the same again', async () => {
    const page = await visit('/');
    await search(page, 'a blue circle');
    const ids = await idsOn(page);
    expect(ids.slice(0, 5).map(textOf)).toEqual(Array(5).fill(expect.stringContaining('blue circle')));
    expect(new URL(page.url()).search).toBe('?q=a+blue+circle');
    expect(await page.title()).toBe('a blue circle – gleaner');

    const again = await page.context().newPage();
    await again.goto(page.url());
    expect(await idsOn(again)).toEqual(ids);
    await page.goBack();
    await page.getByText('60 of 75 pairs').waitFor();
  });

  test('loads more when scrolled, each picture once', async () => {
    const page = await visit('/?q=red+square&nsfw=1');
    await idsOn(page);
    await page.locator('.end').scrollIntoViewIfNeeded();
    await page.getByText('The 75 nearest').waitFor();
    expect(new Set(await idsOn(page)).size).toBe(75);
  });

  test('searches by a picture that is chosen, dropped or pasted, also after a reload', async () => {
    const page = await visit('/');
    const purple = await drawing('purple', 'triangle', 300, 200);
    await page
      .getByLabel('Picture to search by')
      .setInputFiles({ name: 'p.jpg', mimeType: 'image/jpeg', buffer: purple });
    await page.getByRole('heading', { name: 'Like your picture' }).waitFor();
    await page.getByText(/^The \d+ nearest/).waitFor();
    expect(textOf((await idsOn(page))[0])).toContain('purple triangle');
    await page.reload();
    await page.getByText(/^The \d+ nearest/).waitFor();
    expect(textOf((await idsOn(page))[0])).toContain('purple triangle');

    for (const [event, colour] of [
      ['drop', 'green'],
      ['paste', 'yellow'],
    ] as const) {
      const base64 = (await drawing(colour, 'circle', 200, 200)).toString('base64');
      const before = page.url();
      await page.evaluate(`{
        const bytes = Uint8Array.from(atob('${base64}'), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], 'x.jpg', { type: 'image/jpeg' }));
        const Kind = '${event}' === 'drop' ? DragEvent : ClipboardEvent;
        const key = '${event}' === 'drop' ? 'dataTransfer' : 'clipboardData';
        document.body.dispatchEvent(new Kind('${event}', { [key]: data, bubbles: true, cancelable: true }));
      }`);
      await page.waitForURL((url) => url.href !== before);
      await page.getByText(/^The \d+ nearest/).waitFor();
      expect(textOf((await idsOn(page))[0])).toContain(`${colour} circle`);
    }
  });

  test('says so where a file is no picture, or the picture of an address is elsewhere', async () => {
    const page = await visit('/');
    const file = { name: 'p.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture at all') };
    await page.getByLabel('Picture to search by').setInputFiles(file);
    await page.getByRole('alert').getByText('cannot be decoded').waitFor();
    await page.goto(new URL('/?picture=00000000-5', service.url).href);
    await page.getByRole('alert').getByText('Drop it here again').waitFor();
  });

  test('details open beside the grid, with an address; more like this', async () => {
    const page = await visit('/?q=green+triangle');
    const [first] = await idsOn(page);
    await tiles(page).first().click();
    const details = page.getByRole('complementary', { name: 'About this picture' });
    await details.getByText(textOf(first)).waitFor();
    const row = all[first ?? 0]?.row;
    await details.getByText(`${row?.width} × ${row?.height}`).waitFor();
    await details.getByText('English').waitFor();
    expect(new URL(page.url()).searchParams.get('id')).toBe(String(first));
    const link = details.getByRole('link', { name: row?.pageUrl.replace('https://', '') ?? '' });
    expect(await link.getAttribute('href')).toBe(row?.pageUrl);
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    const [box, grid] = [await details.boundingBox(), await page.locator('.grid').boundingBox()];
    expect((grid?.x ?? 0) + (grid?.width ?? 0)).toBeLessThanOrEqual(box?.x ?? 0);

    await page.reload();
    await details.getByText(textOf(first)).waitFor();

    // A picture far down: it stays in sight when the rows break anew, and arrows walk on from it.
    const ids = await idsOn(page);
    await page.goto(new URL(`/?q=green+triangle&id=${ids[50]}`, service.url).href);
    await details.getByText(textOf(ids[50]), { exact: true }).waitFor();
    await page.locator('a.tile.here[aria-current]').waitFor();
    expect(
      await page.evaluate(`(() => {
      const { top, bottom } = document.querySelector('[aria-current]').getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    })()`),
    ).toBe(true);
    await details.getByRole('button', { name: 'Close the details' }).press('ArrowRight');
    await details.getByText(textOf(ids[51]), { exact: true }).waitFor();
    await page.goto(new URL(`/?q=green+triangle&id=${first}`, service.url).href);
    await details.getByRole('link', { name: 'More like this' }).click();
    await page.getByRole('heading', { name: 'More like this picture' }).waitFor();
    await page.getByText(/^The \d+ nearest/).waitFor();
    const like = await idsOn(page);
    expect(like).not.toContain(first);
    expect(like.slice(0, 4).map(textOf)).toEqual(Array(4).fill(expect.stringContaining('green triangle')));
  });

  test('hides what may not be safe, counts it, and shows it when asked', async () => {
    const page = await visit('/?q=red+square');
    await page.getByText('2 hidden: may not be safe').waitFor();
    expect(await idsOn(page)).not.toContain(0);
    await page.getByRole('switch', { name: 'Show NSFW' }).click();
    await page.getByText('nothing is hidden').waitFor();
    expect((await idsOn(page)).slice(0, 5)).toContain(0);
    expect(new URL(page.url()).searchParams.get('nsfw')).toBe('1');
    expect(await page.getByRole('switch').getAttribute('aria-checked')).toBe('true');
  });

  test('keyboard alone: search, walk, open, walk on, close', async () => {
    const page = await visit('/');
    await idsOn(page);
    await page.keyboard.press('/');
    await page.keyboard.type('yellow square');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'yellow square' }).waitFor();
    await page.getByText(/^The \d+ nearest/).waitFor();
    const ids = await idsOn(page);
    const focused = async () => Number(await page.locator('a.tile:focus').getAttribute('data-id'));
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toBe(ids[0]);
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toBe(ids[1]);
    await page.keyboard.press('ArrowDown');
    const below = await focused();
    expect(ids.indexOf(below)).toBeGreaterThan(2);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Home');
    expect(await focused()).toBe(ids[0]);
    await page.keyboard.press('Enter');
    const details = page.getByRole('complementary', { name: 'About this picture' });
    await details.getByText(textOf(ids[0])).waitFor();
    await page.keyboard.press('ArrowRight');
    await details.getByText(textOf(ids[1])).waitFor();
    await page.keyboard.press('Escape');
    await details.waitFor({ state: 'detached' });
    expect(await focused()).toBe(ids[1]);
    // One picture is in the tab order, not sixty.
    await page.keyboard.press('Tab');
    expect(await page.locator('a.tile:focus').count()).toBe(0);
  });

  test('texts and addresses of strangers stay text', async () => {
    const page = await visit('/?q=red+square');
    await idsOn(page);
    const details = page.getByRole('complementary');
    for (const id of [1, 2, 3, 4, 5]) {
      await page.goto(new URL(`/?q=red+square&id=${id}`, service.url).href);
      await details.getByText(String(id), { exact: true }).waitFor();
      const hrefs = await page
        .locator('.details dd a')
        .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
      for (const href of hrefs) expect(href).toMatch(/^https?:/);
    }
    await page.goto(new URL('/?q=red+square&id=1', service.url).href);
    await details.getByText('<script>globalThis.hacked = 1</script>').waitFor();
    await page.goto(new URL('/?q=red+square&id=4', service.url).href);
    await details.getByRole('button', { name: 'Show all 10,000 characters' }).click();
    expect((await details.locator('.quote bdi').textContent())?.length).toBe(10_000);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    // The turned text is cut off from what stands around it, and names of pictures have no such characters at all.
    await page.goto(new URL('/?q=red+square&id=3', service.url).href);
    expect(await details.locator('.quote bdi').textContent()).toBe(textOf(3));
    await idsOn(page); // The details may be there before the grid.
    const names = await page
      .locator('.grid img')
      .evaluateAll((images) => images.map((image) => image.getAttribute('alt') ?? ''));
    expect(
      names.some((name) => name.includes('eulb') || name.includes('eraqs') || name.includes('erauqs')),
    ).toBe(true);
    for (const name of names) expect(name).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
  });

  test('a query of hostile text is shown as text', async () => {
    const words = '"><img src=x onerror="globalThis.hacked=1"> red';
    const page = await visit(`/?q=${encodeURIComponent(words)}`);
    await page.getByRole('heading', { name: words }).waitFor();
    expect(textOf((await idsOn(page))[0])).toContain('red');
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
  });

  test('a service that is away is told, and tried again', async () => {
    const page = await visit('/');
    await idsOn(page);
    await page.route('**/api/v1/search', (route) => route.abort());
    await page.getByLabel('Search by words').fill('red');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The service cannot be reached.').waitFor();
    await page.unroute('**/api/v1/search');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText(/^The \d+ nearest/).waitFor();
    expect(textOf((await idsOn(page))[0])).toContain('red');
  });

  test('a slow search is told', async () => {
    const page = await visit('/');
    await idsOn(page);
    await page.clock.install();
    let answer = () => {};
    await page.route('**/api/v1/search', async (route) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      await route.continue();
    });
    await page.getByLabel('Search by words').fill('red');
    const asked = page.waitForRequest('**/api/v1/search');
    await page.keyboard.press('Enter');
    await asked;
    expect(await page.locator('.skeleton .tile').count()).toBeGreaterThan(5);
    await page.clock.fastForward(3000);
    await page.getByText('Still searching…').waitFor();
    answer();
    await page.getByText(/^The \d+ nearest/).waitFor();
  });

  test('where all is hidden, and where nothing is, the page says so', async () => {
    const visitRelease = async (some: readonly Sample[]) => {
      const own = await mkdtemp(join(tmpdir(), 'page-'));
      await writeRelease(own, some);
      await indexRelease({ dir: own }, stageContext(own));
      const other = await startService({ dir: own, port: 0, embedder: shapeEmbedder });
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(other.url);
      const end = async () => {
        await context.close();
        await other.close();
        await rm(own, { recursive: true });
      };
      return { page, end };
    };
    const unsafe = await visitRelease(
      all.slice(0, 3).map((sample) => ({ ...sample, row: { ...sample.row, nsfw: 'NSFW' } })),
    );
    await unsafe.page.getByText('Nothing here can be shown.').waitFor();
    await unsafe.page.getByRole('button', { name: 'Show what may not be safe' }).click();
    expect((await idsOn(unsafe.page)).sort()).toEqual([0, 1, 2]);
    await unsafe.end();
    const none = await visitRelease([]);
    await none.page.getByText('This release holds no pairs.').waitFor();
    await none.end();
  });

  test.each([
    ['phone', { width: 360, height: 740 }],
    ['tablet', { width: 820, height: 1180 }],
    ['desktop', { width: 1440, height: 900 }],
    ['wall', { width: 2560, height: 1300 }],
  ])('%s: nothing is cropped or sticks out, rows fill the width', async (_, viewport) => {
    const page = await visit('/', { viewport });
    await idsOn(page);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    const grid = await page.locator('.grid').boundingBox();
    const boxes = await tiles(page).evaluateAll((links) =>
      links.map((link) => {
        const { x, y, width, height } = link.getBoundingClientRect();
        return { x, y, width, height, id: Number(link.getAttribute('data-id')) };
      }),
    );
    for (const box of boxes) {
      const row = all[box.id]?.row;
      expect(box.width / box.height).toBeCloseTo((row?.width ?? 0) / (row?.height ?? 1), 1);
    }
    const lines = Map.groupBy(boxes, (box) => Math.round(box.y));
    const widths = [...lines.values()]
      .slice(0, -1)
      .map((line) => Math.max(...line.map((box) => box.x + box.width)));
    for (const right of widths) expect(right).toBeCloseTo((grid?.x ?? 0) + (grid?.width ?? 0), 0);
  });

  test('on a phone, details cover the page and give it back', async () => {
    const page = await visit('/?q=red+circle', { viewport: { width: 360, height: 740 } });
    await idsOn(page);
    await tiles(page).first().click();
    const details = page.getByRole('complementary', { name: 'About this picture' });
    await details.waitFor();
    expect(await details.boundingBox()).toEqual({ x: 0, y: 0, width: 360, height: 740 });
    expect(await page.locator('main[inert], header[inert], footer[inert]').count()).toBe(3);
    await details.getByRole('button', { name: 'Close the details' }).click();
    await page.locator('a.tile:focus[data-index="0"]').waitFor();
    expect(await page.locator('[inert]').count()).toBe(0);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing to mend, %s', async (colorScheme) => {
    const page = await visit('/?q=red+square', { colorScheme });
    for (const path of ['/', '/?q=red+square', '/?q=red+square&id=8&nsfw=1', '/?picture=gone-1']) {
      await page.goto(new URL(path, service.url).href, { waitUntil: 'networkidle' });
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${path} ${id}: ${nodes[0]?.html}`)).toEqual([]);
    }
  });

  test.skipIf(!screenshotFolder)('screenshots', async () => {
    for (const colorScheme of ['light', 'dark'] as const)
      for (const [name, path, width, height] of [
        ['home', '/', 1440, 900],
        ['details', '/?q=red+square&id=8', 1440, 900],
        ['phone', '/?q=blue+circle', 360, 740],
        ['phone-details', '/?q=blue+circle&id=36', 360, 740],
        ['failed', '/?picture=gone-1', 1024, 700],
      ] as const) {
        const page = await visit(path, { colorScheme, viewport: { width, height } });
        await page.waitForLoadState('networkidle');
        await writeFile(join(screenshotFolder ?? '.', `${name}-${colorScheme}.png`), await page.screenshot());
        await page.context().close();
      }
  });
});
