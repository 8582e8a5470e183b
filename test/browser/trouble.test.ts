import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startService } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { shapeEmbedder } from '../service/shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from '../service/small-release.ts';
import { launchBrowser } from './browser.ts';
import { built, idsOn, isThere, SearchPage } from './search-page.ts';

describe.skipIf(!built)('where a search does not end well', { timeout: 30_000 }, () => {
  const site = new SearchPage();
  const searches = '**/api/v1/search';

  test('a service that is away is told, and asked again', async () => {
    const page = await site.visit('/');
    await idsOn(page);
    await page.route(searches, (route) => route.abort());
    await page.getByLabel('Search by words').fill('red');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The service cannot be reached.').waitFor();
    await page.unroute(searches);
    await page.getByRole('button', { name: 'Try again' }).click();
    await isThere(page);
    expect(site.textOf((await idsOn(page))[0])).toContain('red');
  });

  test('without a network the page says so, and goes on by itself when there is one', async () => {
    const page = await site.visit('/');
    await idsOn(page);
    await page.context().setOffline(true);
    await page.getByLabel('Search by words').fill('red');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('This device is not connected to a network.').waitFor();
    await page.context().setOffline(false);
    await isThere(page);
  });

  test.each([
    [429, 'That was more than the service takes at once.'],
    [503, 'The service is busy.'],
  ])('%i is waited out as long as the service says, and asked again', async (status, said) => {
    const page = await site.visit('/');
    await idsOn(page);
    await page.clock.install();
    await page.route(searches, (route) =>
      route.fulfill({ status, headers: { 'Retry-After': '40' }, json: { error: 'not now' } }),
    );
    await page.getByLabel('Search by words').fill('red');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText(said).waitFor();
    await page.getByText('Trying again in 40 seconds').waitFor();
    await page.unroute(searches);
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/api/v1/search')) asked++;
    });
    await page.clock.runFor(30_000);
    await page.getByText('Trying again in 10 seconds').waitFor();
    expect(asked).toBe(0);
    await page.clock.runFor(11_000);
    await isThere(page);
    expect(asked).toBe(1);
  });

  test('more of a list that cannot be had leaves what is there', async () => {
    const page = await site.visit('/?q=red&dup=1');
    await idsOn(page);
    await page.route(searches, (route) =>
      route.fulfill({ status: 500, json: { error: 'the service could not answer (it failed)' } }),
    );
    await page.getByLabel('Search by words').press('ArrowDown');
    await page.keyboard.press('End');
    await page.getByRole('alert').getByText('it failed').waitFor();
    expect(await page.locator('.grid a.tile').count()).toBeGreaterThan(5);
    await page.unroute(searches);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('The 73 nearest').waitFor();
  });

  test('a slow search is told', async () => {
    const page = await site.visit('/');
    await idsOn(page);
    await page.clock.install();
    let answer = () => {};
    await page.route(searches, async (route) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      await route.continue();
    });
    await page.getByLabel('Search by words').fill('red');
    const asked = page.waitForRequest(searches);
    await page.keyboard.press('Enter');
    await asked;
    expect(await page.locator('.skeleton .tile').count()).toBeGreaterThan(5);
    await page.clock.fastForward(3000);
    await page.getByText('Still searching…').waitFor();
    answer();
    await isThere(page);
  });

  test('a stored picture that is missing has a place that says so', async () => {
    const page = await site.visit('/?q=red+square&dup=1');
    const ids = await idsOn(page);
    await page.route(`**/images/${ids[1]}.jpg`, (route) =>
      route.fulfill({ status: 404, json: { error: 'no' } }),
    );
    await page.reload();
    await page.locator(`.tile[data-id="${ids[1]}"]`).getByText('No picture stored').waitFor();
    await page.locator(`.tile[data-id="${ids[1]}"]`).click();
    const details = page.getByRole('complementary');
    await details.getByText('No picture stored').waitFor();
    // The web's own copy is a link, never a picture of this page.
    const links = await details.locator('dd a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
    expect(links).toContain(site.all[ids[1] ?? 0]?.row.url);
  });

  test('where all is hidden, and where nothing is, the page says so', async () => {
    const visitRelease = async (some: readonly Sample[]) => {
      const dir = await mkdtemp(join(tmpdir(), 'page-'));
      await writeRelease(dir, some);
      await indexRelease({ dir }, stageContext(dir));
      const service = await startService({ dir, port: 0, embedder: shapeEmbedder });
      const browser = await launchBrowser();
      const page = await browser.newPage();
      await page.goto(service.url);
      const end = async () => {
        await browser.close();
        await service.close();
        await rm(dir, { recursive: true });
      };
      return { page, end };
    };
    const few = (await samples()).slice(0, 3);
    const unsafe = await visitRelease(
      few.map((sample) => ({ ...sample, row: { ...sample.row, nsfw: 'NSFW' as const } })),
    );
    await unsafe.page.getByText('Nothing here can be shown.').waitFor();
    await unsafe.page.getByRole('button', { name: 'Show what may not be safe' }).click();
    await unsafe.page.getByRole('switch', { name: 'Hide duplicates' }).click();
    await unsafe.page.getByText('3 of 3 pairs').waitFor();
    expect((await idsOn(unsafe.page)).sort()).toEqual([0, 1, 2]);
    await unsafe.end();
    const none = await visitRelease([]);
    await none.page.getByText('This release holds no pairs.').waitFor();
    await none.end();
  });
});
