import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { built, detailsOf, idsOn, SearchPage, tilesOf } from './search-page.ts';

describe.skipIf(!built)('what one can do with results', { timeout: 30_000 }, () => {
  const site = new SearchPage();

  async function download(page: Page, format: 'JSON' | 'Parquet'): Promise<{ name: string; bytes: Buffer }> {
    await page.getByRole('button', { name: 'Download' }).click();
    const menu = page.getByRole('dialog', { name: 'Download the results' });
    await menu.getByLabel('100 results', { exact: true }).check();
    const coming = page.waitForEvent('download');
    await menu.getByRole('button', { name: format }).click();
    const file = await coming;
    await menu.getByRole('status').getByText('Downloaded.').waitFor();
    await page.keyboard.press('Escape');
    return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
  }

  test('take them home as JSON or Parquet: the same rows in the same order', async () => {
    const page = await site.visit('/?q=purple+square&dup=1');
    const ids = await idsOn(page);
    const json = await download(page, 'JSON');
    expect(json.name).toBe('gleaner-results.json');
    const rows: { id: number; url: string; text: string }[] = JSON.parse(json.bytes.toString());
    expect(rows).toHaveLength(73);
    expect(rows.slice(0, ids.length).map(({ id }) => id)).toEqual(ids);
    for (const { id, url, text } of rows) {
      expect(url).toBe(site.all[id]?.row.url);
      expect(text).toBe(site.textOf(id));
    }
    const parquet = await download(page, 'Parquet');
    expect(parquet.name).toBe('gleaner-results.parquet');
    const table = await parquetReadObjects({ file: new Uint8Array(parquet.bytes).buffer, compressors });
    expect(table.map(({ id }) => Number(id))).toEqual(rows.map(({ id }) => id));
    expect(table.map(({ url }) => url)).toEqual(rows.map(({ url }) => url));
  });

  test('a download that fails says so, and can be tried again', async () => {
    const page = await site.visit('/?q=purple&dup=1');
    await idsOn(page);
    await page.route('**/api/v1/export', (route) => route.abort());
    await page.getByRole('button', { name: 'Download' }).click();
    const menu = page.getByRole('dialog', { name: 'Download the results' });
    await menu.getByRole('button', { name: 'JSON' }).click();
    await menu.getByRole('status').getByText('The service cannot be reached.').waitFor();
    expect(await menu.getByRole('button', { name: 'JSON' }).isEnabled()).toBe(true);
  });

  test('report a picture: the reason is needed, the rest is not', async () => {
    const page = await site.visit('/?q=green&dup=1');
    const [first] = await idsOn(page);
    await tilesOf(page).first().click();
    await detailsOf(page).getByRole('button', { name: 'Report this picture' }).click();
    const dialog = page.getByRole('dialog', { name: 'Report this picture' });
    await dialog.getByText('This goes to whoever runs this service').waitFor();
    const send = dialog.getByRole('button', { name: 'Send the report' });
    await send.click();
    await dialog.getByText('Choose what is wrong with it.').waitFor();
    // Keys of the page are not the dialog's: a slash is one of the message.
    await dialog.getByLabel('What should be known about it').pressSequentially('see a/b, <b>mine</b>');
    await dialog.getByLabel('How you can be reached').fill('me@example.org');
    await dialog.getByLabel('It is mine, and should not be here').check();
    const sent = page.waitForRequest('**/api/v1/reports');
    await send.click();
    expect((await sent).postDataJSON()).toEqual({
      id: first,
      reason: 'copyright',
      message: 'see a/b, <b>mine</b>',
      contact: 'me@example.org',
    });
    await dialog.getByText('Whoever runs this service has your report.').waitFor();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await dialog.waitFor({ state: 'detached' });
    // Esc leaves the dialog, and the details where they were.
    await detailsOf(page).getByRole('button', { name: 'Report this picture' }).click();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await detailsOf(page).count()).toBe(1);
  });

  test('a report lies where the operator finds it', async () => {
    const page = await site.visit('/?q=green&dup=1');
    const [first] = await idsOn(page);
    await tilesOf(page).first().click();
    await detailsOf(page).getByRole('button', { name: 'Report this picture' }).click();
    const dialog = page.getByRole('dialog', { name: 'Report this picture' });
    await dialog.getByLabel('It is illegal').check();
    await dialog.getByRole('button', { name: 'Send the report' }).click();
    const name = await dialog.locator('code').textContent();
    const lines = (await readFile(join(site.dir, 'reports.jsonl'), 'utf8')).trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '{}')).toMatchObject({ report: name, row: first, reason: 'illegal' });
  });

  test('a report that is refused leaves what was written', async () => {
    const page = await site.visit('/?q=green&dup=1');
    await idsOn(page);
    await tilesOf(page).first().click();
    await page.route('**/api/v1/reports', (route) =>
      route.fulfill({
        status: 429,
        headers: { 'Retry-After': '60' },
        json: { error: 'too many reports: write to us' },
      }),
    );
    await detailsOf(page).getByRole('button', { name: 'Report this picture' }).click();
    const dialog = page.getByRole('dialog', { name: 'Report this picture' });
    await dialog.getByLabel('Something else').check();
    await dialog.getByLabel('What should be known about it').fill('a long story');
    await dialog.getByRole('button', { name: 'Send the report' }).click();
    await dialog.getByRole('alert').getByText('too many reports: write to us').waitFor();
    expect(await dialog.getByLabel('What should be known about it').inputValue()).toBe('a long story');
  });

  test('the address of a search is copied', async () => {
    const page = await site.visit('/?q=green&dup=1', { permissions: ['clipboard-read', 'clipboard-write'] });
    await idsOn(page);
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(page.url());
  });
});
