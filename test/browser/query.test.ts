import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { drawing } from '../service/shapes.ts';
import { built, detailsOf, idsOn, isThere, SearchPage, searchFor, tilesOf } from './search-page.ts';

describe.skipIf(!built)('what the search page searches by', { timeout: 30_000 }, () => {
  const site = new SearchPage();
  const firstText = async (page: Page) => site.textOf((await idsOn(page))[0]);

  /** Drops or pastes a picture on the page, as a browser does it. */
  async function hand(page: Page, event: 'drop' | 'paste', picture: Buffer): Promise<void> {
    const before = page.url();
    await page.evaluate(`{
      const bytes = Uint8Array.from(atob('${picture.toString('base64')}'), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], 'x.jpg', { type: 'image/jpeg' }));
      const Kind = '${event}' === 'drop' ? DragEvent : ClipboardEvent;
      const key = '${event}' === 'drop' ? 'dataTransfer' : 'clipboardData';
      document.body.dispatchEvent(new Kind('${event}', { [key]: data, bubbles: true, cancelable: true }));
    }`);
    await page.waitForURL((url) => url.href !== before);
    await isThere(page);
  }

  test('a picture that is chosen, dropped or pasted, also after a reload', async () => {
    const page = await site.visit('/');
    const buffer = await drawing('purple', 'triangle', 300, 200);
    await page
      .getByLabel('Picture to search by')
      .setInputFiles({ name: 'p.jpg', mimeType: 'image/jpeg', buffer });
    await page.getByRole('heading', { name: 'Like your picture' }).waitFor();
    await isThere(page);
    expect(await firstText(page)).toContain('purple triangle');
    await page.reload();
    await isThere(page);
    expect(await firstText(page)).toContain('purple triangle');
    // The next picture takes its place.
    await hand(page, 'drop', await drawing('green', 'circle', 200, 200));
    expect(await firstText(page)).toContain('green circle');
    await hand(page, 'paste', await drawing('yellow', 'circle', 200, 200));
    expect(await firstText(page)).toContain('yellow circle');
    expect(await page.locator('.part').count()).toBe(1);
  });

  test('the address of a search by a picture holds a small copy, for whoever gets it', async () => {
    const page = await site.visit('/');
    await hand(page, 'drop', await drawing('blue', 'square', 800, 600));
    const address = page.url();
    expect(address.length).toBeLessThan(8000);
    // Another browser, which has never seen the picture.
    const other = await site.visit(address);
    const sent = other.waitForRequest('**/api/v1/search');
    await other.reload();
    // What stands behind the '#' is sent to nobody.
    expect((await sent).url()).not.toContain('#');
    await isThere(other);
    expect(await firstText(other)).toContain('blue square');
    expect(
      await other.locator('.part img').evaluate((image: { naturalWidth: number }) => image.naturalWidth),
    ).toBe(160);
  });

  test('words and a picture together, each of which can be taken out', async () => {
    const page = await site.visit('/?dup=1');
    await searchFor(page, 'purple');
    await hand(page, 'drop', await drawing('green', 'triangle', 200, 200));
    await page.getByRole('heading', { name: 'purple, like your picture' }).waitFor();
    // By the embedder's arithmetic: green triangle + purple is nearest to both, and to purple triangles.
    const texts = (await idsOn(page)).slice(0, 10).map((id) => site.textOf(id));
    expect(texts.filter((text) => /(purple|green) triangle/.test(text))).toHaveLength(10);
    expect(new Set(texts.map((text) => /purple|green/.exec(text)?.[0])).size).toBe(2);
    await page.getByRole('button', { name: 'Remove your picture' }).click();
    await page.getByRole('heading', { name: 'purple', exact: true }).waitFor();
    await isThere(page);
    await page.goBack();
    await page.getByRole('heading', { name: 'purple, like your picture' }).waitFor();
    // Without the words.
    await page.getByLabel('Search by words').fill('');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Like your picture' }).waitFor();
    await isThere(page);
    expect(await firstText(page)).toContain('green triangle');
    // Backspace in the empty field takes the last one out.
    await page.getByLabel('Search by words').press('Backspace');
    await page.getByRole('heading', { name: 'A handful from this release' }).waitFor();
  });

  test('less like a result, and a result more', async () => {
    const page = await site.visit('/?q=red&dup=1');
    const ids = await idsOn(page);
    const square = ids.findIndex((id) => site.textOf(id).includes('red square'));
    await tilesOf(page).nth(square).click();
    await detailsOf(page).getByRole('button', { name: 'Less like this' }).click();
    await page.getByRole('heading', { name: `red, less like picture ${ids[square]}` }).waitFor();
    await isThere(page);
    expect(new URL(page.url()).searchParams.get('like')).toBe(`-${ids[square]}`);
    for (const id of (await idsOn(page)).slice(0, 10)) expect(site.textOf(id)).not.toContain('square');
    await page.getByRole('button', { name: `Remove less of picture ${ids[square]}` }).click();
    await page.getByRole('heading', { name: 'red', exact: true }).waitFor();
    await isThere(page);
    const now = await idsOn(page);
    await tilesOf(page).first().click();
    await detailsOf(page).getByRole('button', { name: 'Add to the search' }).click();
    await page.getByRole('heading', { name: `red, like picture ${now[0]}` }).waitFor();
  });

  test('words behind a minus, and the address of a picture', async () => {
    const page = await site.visit('/?dup=1');
    await page.getByLabel('Search by words').fill('triangle -red -"green triangle"');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'triangle, less like “red” and “green triangle”' }).waitFor();
    await isThere(page);
    expect(await page.getByLabel('Search by words').inputValue()).toBe('triangle');
    for (const id of (await idsOn(page)).slice(0, 10)) expect(site.textOf(id)).not.toMatch(/red|green/);
    // The service of the tests fetches nothing; the page tells what it says, and asks nobody itself.
    await page.goto(site.address('/'));
    await page.getByLabel('Search by words').fill('https://images.example/a.jpg');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('fetches no images from the web').waitFor();
    await page.getByRole('button', { name: 'Remove a picture of images.example' }).waitFor();
  });

  test('words of the texts, alone and beside a search', async () => {
    const page = await site.visit('/?dup=1');
    await page.getByRole('button', { name: 'Words', exact: true }).click();
    const menu = page.getByRole('dialog', { name: 'Words of the text' });
    await menu.getByLabel('Words of the text').fill('triangle');
    await menu.getByRole('button', { name: 'Find' }).click();
    await page.getByRole('button', { name: 'Remove Text has triangle' }).waitFor();
    await isThere(page);
    for (const id of await idsOn(page)) expect(site.textOf(id)).toContain('triangle');
    expect(new URL(page.url()).searchParams.get('text')).toBe('triangle');
    await page.keyboard.press('Escape');
    await tilesOf(page).first().click();
    await page.getByRole('region', { name: 'Why it is here' }).getByText('“triangle”').waitFor();
    await page.goto(site.address('/?text=zeppelin'));
    await page.getByText('No text has these words.').waitFor();
    await page.getByRole('button', { name: 'Back to the beginning' }).click();
    await page.getByRole('heading', { name: 'A handful from this release' }).waitFor();
  });

  test('says so where a file is no picture, or the picture of an address is elsewhere', async () => {
    const page = await site.visit('/');
    const file = { name: 'p.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture at all') };
    await page.getByLabel('Picture to search by').setInputFiles(file);
    await page.getByRole('alert').getByText('cannot be decoded').waitFor();
    await page.goto(site.address('/?picture=00000000-5'));
    await page.getByRole('alert').getByText('Drop it here again').waitFor();
  });
});
