import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../../src/service/index.ts';
import type { MapInfoAnswer } from '../../src/service/map-types.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { shapeEmbedder } from '../service/shapes.ts';
import { samples, stageContext, writeRelease } from '../service/small-release.ts';
import { launchBrowser, openPage, screenshotFolder } from './browser.ts';

const built = existsSync(fileURLToPath(new URL('../../web/dist/map.html', import.meta.url)));
if (!built) console.warn('The page of the map is not built, so it is not tested: npm run build:web');

describe.skipIf(!built)('the page of the map', { timeout: 30_000 }, () => {
  let dir = '';
  let service: Service;
  let browser: Browser;
  let info: MapInfoAnswer;
  /** Places by SAMPLE_ID, 0 to 1. */
  const places = new Map<number, readonly [number, number]>();
  const complaints: string[] = [];
  const strangers: string[] = [];
  let shown: Page | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'map-page-'));
    await writeRelease(dir, await samples());
    await indexRelease({ dir }, stageContext(dir));
    const report =
      '<!doctype html>\n<html lang="en">\n<title>Report</title>\n<style>main { padding: 24px }</style>\n';
    await writeFile(
      join(dir, 'release/report.html'),
      `${report}<main><h1>All of it</h1><script>globalThis.hacked = 1</script><img src="/images/7.jpg" alt="x"></main>\n</html>\n`,
    );
    service = await startService({ dir, port: 0, embedder: shapeEmbedder });
    info = (await (await fetch(new URL('/api/v1/map/info', service.url))).json()) as MapInfoAnswer;
    const points = Buffer.from(
      await (await fetch(new URL('/api/v1/map?nsfw=true', service.url))).arrayBuffer(),
    );
    for (let at = 0; at < points.length; at += 12)
      places.set(points.readUInt32LE(at), [
        (points.readUInt16LE(at + 4) + 0.5) / 65_536,
        (points.readUInt16LE(at + 6) + 0.5) / 65_536,
      ]);
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
  /** Waits until the map says so of what it has drawn. */
  const drawn = async (page: Page, selector: string) => {
    await page.locator(`.map-over${selector}`).waitFor();
  };
  /** Where a row is on the page, with the map at its beginning. */
  async function spotOf(page: Page, id: number): Promise<readonly [number, number]> {
    const box = await page.getByRole('application').boundingBox();
    const { x = 0, y = 0, width = 0, height = 0 } = box ?? {};
    const [mapX, mapY] = places.get(id) ?? [0, 0];
    const side = Math.min(width, height);
    return [x + width / 2 + (mapX - 0.5) * side, y + height / 2 + (mapY - 0.5) * side];
  }
  const labels = async (page: Page) =>
    ((await page.locator('.map-over').getAttribute('data-labels')) ?? '').split(' | ');

  test('draws all points and names that do not touch; those that may not be safe when asked for', async () => {
    const page = await visit('/map');
    expect(await page.title()).toBe('Map – gleaner');
    await drawn(page, '[data-points="73"]');
    await page.getByText('73 pictures, near those that are alike').waitFor();
    const names = await labels(page);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names)
      for (const word of name.split(', '))
        expect(['red', 'green', 'blue', 'yellow', 'purple', 'square', 'circle', 'triangle']).toContain(word);
    await page.getByRole('switch', { name: 'Safe mode' }).click();
    await drawn(page, '[data-points="75"]');
    await page.waitForURL(/nsfw=1/);
  });

  test('something of each colour is on the canvas, and other colours when asked for', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    const colours = () =>
      page.locator('.map-points').evaluate((canvas) => {
        const { width, height } = canvas as unknown as { width: number; height: number };
        const context = (
          canvas as unknown as {
            getContext(kind: '2d'): {
              getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
            };
          }
        ).getContext('2d');
        const { data } = context.getImageData(0, 0, width, height);
        const found = new Map<number, number>();
        for (let i = 0; i < data.length; i += 4) {
          const key = ((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0);
          found.set(key, (found.get(key) ?? 0) + 1);
        }
        return [...found.values()].filter((n) => n > 20).length;
      });
    const regions = await colours();
    expect(regions).toBeGreaterThan(info.regions.filter(({ level }) => level === 0).length);
    await page.getByRole('radio', { name: 'Language' }).check();
    await page.getByText('English').waitFor();
    await expect.poll(colours).toBeLessThan(regions);
    await page.waitForURL(/by=language/);
    await page.getByRole('radio', { name: 'Match' }).check();
    await page.getByText('0.35').waitFor();
    await page.waitForURL(/by=similarity/);
    await page.reload();
    await page.getByRole('radio', { name: 'Match', checked: true }).waitFor();
  });

  test('what the mouse is over is shown with its text, and a click opens its details', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    await page.mouse.move(...(await spotOf(page, 40)));
    const card = page.locator('.map-card');
    await card.getByText(/A \w+ \w+, number \d+/).waitFor();
    const text = (await card.textContent()) ?? '';
    // Five sizes of one drawing lie close together.
    const id = Number(/number (\d+)/.exec(text)?.[1]);
    expect(Math.floor(id / 5)).toBe(8);
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForURL(new RegExp(`/\\?id=${id}$`));
    await page.getByRole('complementary', { name: 'About this picture' }).getByText(`number ${id}`).waitFor();
  });

  test('dragging, the wheel and its buttons move it; an address shows the same again', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    const [x, y] = await spotOf(page, 40);
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -900);
    const at = () => (new URL(page.url()).searchParams.get('at') ?? '').split(',').map(Number);
    await expect.poll(() => at()[2]).toBeCloseTo(8, 1);
    await drawn(page, ':not([data-points="73"])');
    // What was under the mouse is still there.
    await page.mouse.move(x + 1, y);
    await page
      .locator('.map-card')
      .getByText(/number 4[0-4]/)
      .waitFor();
    const points = await page.locator('.map-over').getAttribute('data-points');
    await page.reload();
    await drawn(page, `[data-points="${points}"]`);
    const before = at();
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 100, y + 50, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => at()[0]).toBeLessThan(before[0] ?? 0);
    expect(new URL(page.url()).pathname).toBe('/map');
    await page.getByRole('button', { name: 'Show all' }).click();
    await drawn(page, '[data-points="73"]');
    await page.waitForURL(/\/map$/);
    await page.getByRole('button', { name: 'Nearer' }).click();
    await expect.poll(() => at()[2]).toBe(1.5);
  });

  test('near enough there are pictures', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    await drawn(page, ':not([data-pictures="0"])');
  });

  test('by keys alone: move, nearer, look, open', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    const map = page.getByRole('application');
    for (let i = 0; i < 40 && !(await map.evaluate((element) => element.matches(':focus'))); i++)
      await page.keyboard.press('Tab');
    await page.keyboard.press('+');
    await page.waitForURL(/at=0\.5000,0\.5000,1\.5|at=0\.5000%2C0\.5000%2C1\.5/);
    await page.keyboard.press('ArrowRight');
    await page.waitForURL((url) => Number(url.searchParams.get('at')?.split(',')[0]) > 0.5);
    await page.keyboard.press('0');
    await page.waitForURL(/\/map$/);
    await page.keyboard.press('ArrowDown');
    const card = page.locator('.map-card');
    await card.getByText(/number \d+/).waitFor();
    await page.keyboard.press('Escape');
    await card.waitFor({ state: 'detached' });
    await page.keyboard.press('ArrowUp');
    await card.getByText(/number \d+/).waitFor();
    const id = /number (\d+)/.exec((await card.textContent()) ?? '')?.[1];
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`id=${id}`));
  });

  test('the list has every region with its size, a way there and a search', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    const side = page.getByRole('region', { name: 'Regions' });
    const names = await side.locator('.region-list > li > .region .region-name bdi').allTextContents();
    const tops = info.regions.filter(({ level, rows, unsafe }) => level === 0 && rows > unsafe);
    expect(names.sort()).toEqual(tops.map(({ words }) => words.slice(0, 2).join(', ')).sort());
    const [first = ''] = names;
    const link = side.getByRole('link', { name: `Search for ${first}`, exact: true });
    expect(await link.getAttribute('href')).toBe(`/?q=${first.replace(', ', '+')}`);
    await side.getByRole('button', { name: first }).first().click();
    await page.waitForURL(/at=/);
    expect(await page.getByRole('application').evaluate((element) => element.matches(':focus'))).toBe(true);
  });

  test.each([
    ['at 1280 in the light', { colorScheme: 'light' }],
    ['at 1280 in the dark', { colorScheme: 'dark' }],
    ['at 360', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as const)('is accessible %s', async (name, options) => {
    const page = await visit('/map', options);
    await drawn(page, '[data-points]');
    // On a narrow page names may take the room of all pictures.
    if (!('hasTouch' in options)) await drawn(page, ':not([data-pictures="0"])');
    // A row that no button of the map lies over, and that has a text like the others.
    let [x, y] = [0, 0];
    for (const id of places.keys()) {
      [x, y] = await spotOf(page, id);
      const isMap = `document.elementFromPoint(${x}, ${y}) instanceof HTMLCanvasElement`;
      if (id > 6 && (await page.evaluate(isMap))) break;
    }
    if ('hasTouch' in options) await page.touchscreen.tap(x, y);
    else await page.mouse.move(x, y);
    await page
      .locator('.map-card')
      .getByText(/number \d+/)
      .waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    if (screenshotFolder) await page.screenshot({ path: join(screenshotFolder, `map ${name}.png`) });
  });

  test('two fingers bring it nearer, one moves it, a tap shows and the card opens', async () => {
    const page = await visit('/map', {
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    await drawn(page, '[data-points="73"]');
    const box = await page.getByRole('application').boundingBox();
    const [x, y] = [(box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 2];
    const client = await page.context().newCDPSession(page);
    const touch = (
      type: 'touchStart' | 'touchMove' | 'touchEnd',
      ...points: readonly (readonly [number, number])[]
    ) =>
      client.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: points.map(([px, py], id) => ({ x: px, y: py, id })),
      });
    await touch('touchStart', [x - 30, y], [x + 30, y]);
    for (const spread of [45, 60, 75, 90]) await touch('touchMove', [x - spread, y], [x + spread, y]);
    await touch('touchEnd');
    // The address follows a moment after the last move.
    await expect
      .poll(() => Number(new URL(page.url()).searchParams.get('at')?.split(',')[2]))
      .toBeCloseTo(3, 1);
    await page.goto(new URL('/map', service.url).href);
    await drawn(page, '[data-points="73"]');
    await page.touchscreen.tap(...(await spotOf(page, 40)));
    const card = page.locator('.map-card');
    await card.getByText(/number 4\d/).waitFor();
    expect(new URL(page.url()).pathname).toBe('/map');
    await card.tap();
    await page.waitForURL(/\/\?id=4\d$/);
  });

  test('a map that is not there, and a service that is away, are told', async () => {
    const page = await visit('/map');
    await drawn(page, '[data-points="73"]');
    await page.route(/\/api\/v1\/map\?/, (route) => route.abort());
    await page.getByRole('switch', { name: 'Safe mode' }).click();
    await page.getByText('The service cannot be reached.').waitFor();
    // It is asked for again, until it is there.
    await page.unroute(/\/api\/v1\/map\?/);
    await drawn(page, '[data-points="75"]');
    await page.getByText('75 pictures, near those that are alike').waitFor();
    await page.route('**/api/v1/map/info', (route) =>
      route.fulfill({ status: 404, json: { error: 'this index was made without a map' } }),
    );
    await page.goto(new URL('/map', service.url).href);
    await page.getByText('The service answered: this index was made without a map.').first().waitFor();
  });

  test('the report is shown, with a way back, and its script does not run', async () => {
    const page = await visit('/report');
    await page.getByRole('heading', { name: 'All of it' }).waitFor();
    // What its policy refused is told on the console: a script, and a picture that is not within it.
    await expect.poll(() => complaints.length).toBe(2);
    for (const complaint of complaints.splice(0))
      expect(complaint).toMatch(/Content Security Policy|sandboxed/);
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
    await page.getByRole('link', { name: 'Map' }).click();
    await drawn(page, '[data-points="73"]');
    await page.getByRole('link', { name: 'Report' }).click();
    await page.getByRole('link', { name: 'Search' }).click();
    await page.locator('.grid a.tile').first().waitFor();
    complaints.length = 0;
  });
});
