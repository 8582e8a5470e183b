import { describe, expect, test } from 'vitest';
import { shapeEmbedder } from '../service/shapes.ts';
import { built, detailsOf, idsOn, isThere, SearchPage, searchFor, tilesOf } from './search-page.ts';

describe.skipIf(!built)('the search page', { timeout: 30_000 }, () => {
  const site = new SearchPage();

  test('begins with a handful of the release, a count, and the name of the encoder', async () => {
    const page = await site.visit('/?dup=1');
    expect(await page.title()).toBe('gleaner');
    expect((await idsOn(page)).length).toBeGreaterThan(20);
    await page.getByText('60 of 75 pairs').waitFor();
    await page.getByText(shapeEmbedder.name).waitFor();
    // The button stays while more comes; by key, since it moves down then.
    await page.getByRole('button', { name: 'Another handful' }).press('Enter');
    await expect.poll(() => page.url()).toMatch(/seed=\d+/);
  });

  test('searches by words, and the address finds the same again', async () => {
    const page = await site.visit('/?dup=1');
    await searchFor(page, 'a blue circle');
    const ids = await idsOn(page);
    expect(ids.slice(0, 5).map((id) => site.textOf(id))).toEqual(
      Array(5).fill(expect.stringContaining('blue circle')),
    );
    expect(new URL(page.url()).search).toBe('?q=a+blue+circle&dup=1');
    expect(await page.title()).toBe('a blue circle – gleaner');

    const again = await page.context().newPage();
    await again.goto(page.url());
    expect((await idsOn(again)).slice(0, 20)).toEqual(ids.slice(0, 20));
    await page.goBack();
    await page.getByText('60 of 75 pairs').waitFor();
  });

  test('loads more when scrolled, each picture once', async () => {
    const page = await site.visit('/?q=red+square&nsfw=1&dup=1');
    const seen = new Set(await idsOn(page));
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    const walk = async (steps: number) => {
      for (let i = 0; i < steps; i++) {
        await page.keyboard.press('ArrowRight');
        for (const id of await tilesOf(page).evaluateAll((links) =>
          links.map((a) => a.getAttribute('data-id')),
        ))
          seen.add(Number(id));
      }
    };
    await walk(55);
    // Near the end of the first sixty the others are asked for; who walks faster than they come would stop there.
    await page.getByText('The 75 nearest').waitFor();
    await walk(25);
    await page.getByText('That is all.').waitFor();
    expect(seen.size).toBe(75);
  });

  test('details open beside the grid, with an address; more like this', async () => {
    const page = await site.visit('/?q=green+triangle&dup=1');
    const [first] = await idsOn(page);
    await tilesOf(page).first().click();
    const details = detailsOf(page);
    await details.getByText(site.textOf(first)).waitFor();
    const row = site.all[first ?? 0]?.row;
    const facts = details.getByRole('region', { name: 'What it is' });
    await facts.getByText(`${row?.width} × ${row?.height}`).waitFor();
    await facts.getByText('English').waitFor();
    expect(new URL(page.url()).searchParams.get('id')).toBe(String(first));
    const link = details.getByRole('link', { name: row?.pageUrl.replace('https://', '') ?? '' });
    expect(await link.getAttribute('href')).toBe(row?.pageUrl);
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    const [box, grid] = [await details.boundingBox(), await page.locator('.grid').boundingBox()];
    expect((grid?.x ?? 0) + (grid?.width ?? 0)).toBeLessThanOrEqual(box?.x ?? 0);

    await page.reload();
    await details.getByText(site.textOf(first)).waitFor();
    await details.getByRole('link', { name: 'More like this' }).click();
    await page.getByRole('heading', { name: 'More like this picture' }).waitFor();
    await isThere(page);
    await details.waitFor({ state: 'detached' });
    expect(site.textOf((await idsOn(page))[0])).toContain('green triangle');
    expect(new URL(page.url()).searchParams.get('like')).toBe(String(first));
  });

  test('a picture of an address stays in sight, far down too, and arrows walk on from it', async () => {
    const page = await site.visit('/?q=green+triangle&dup=1');
    await idsOn(page);
    await page.keyboard.press('/');
    for (let i = 0; i <= 50; i++) await page.keyboard.press(i === 0 ? 'ArrowDown' : 'ArrowRight');
    const ids = await tilesOf(page).evaluateAll((links) =>
      links.map((a) => [Number(a.getAttribute('data-index')), Number(a.getAttribute('data-id'))] as const),
    );
    const at = new Map(ids);
    const details = detailsOf(page);
    await page.goto(site.address(`/?q=green+triangle&dup=1&id=${at.get(50)}`));
    await details.getByText(site.textOf(at.get(50)), { exact: true }).waitFor();
    await page.locator('a.tile.here[aria-current]').waitFor();
    expect(
      await page.evaluate(`(() => {
        const { top, bottom } = document.querySelector('[aria-current]').getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      })()`),
    ).toBe(true);
    await details.getByRole('button', { name: 'Close the details' }).press('ArrowRight');
    await details.getByText(site.textOf(at.get(51)), { exact: true }).waitFor();
  });

  test('details say why a picture is here, and why it was kept', async () => {
    const page = await site.visit('/?q=red&like=35&dup=1');
    const [first] = await idsOn(page);
    await tilesOf(page).first().click();
    const why = page.getByRole('region', { name: 'Why it is here' });
    await why.getByText('Like “red”').waitFor();
    await why.getByText('Like picture 35').waitFor();
    await why.getByText('The search as a whole').waitFor();
    await why.getByText('Number 1 of this search.').waitFor();
    // By the embedder's arithmetic: a word is one of two or three numbers of a vector.
    const shown = await why.locator('li > span:nth-child(2)').allTextContents();
    expect(shown).toHaveLength(3);
    for (const cosine of shown) expect(cosine).toMatch(/^-?[01]\.\d{3}$/);
    const kept = page.getByRole('region', { name: 'Why it was kept' });
    const { similarity = 0 } = site.all[first ?? 0]?.row ?? {};
    const said = [2, 3, 4].map((digits) => similarity.toFixed(digits).replace('.', '\\.')).join('|');
    await kept.getByText(new RegExp(said)).first().waitFor();
  });

  test('an address of a picture that is not there says so', async () => {
    const page = await site.visit('/?id=987654');
    await page.getByText('The picture of this address is not here. It may have been taken down.').waitFor();
    expect(await detailsOf(page).count()).toBe(0);
  });

  test('keyboard alone: search, walk, open, walk on, close', async () => {
    const page = await site.visit('/?dup=1');
    await idsOn(page);
    await page.keyboard.press('/');
    await page.keyboard.type('yellow square');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'yellow square' }).waitFor();
    await isThere(page);
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
    const details = detailsOf(page);
    await details.getByText(site.textOf(ids[0])).waitFor();
    await page.keyboard.press('ArrowRight');
    await details.getByText(site.textOf(ids[1])).waitFor();
    await page.keyboard.press('Escape');
    await details.waitFor({ state: 'detached' });
    expect(await focused()).toBe(ids[1]);
    // One picture is in the tab order, not sixty.
    await page.keyboard.press('Tab');
    expect(await page.locator('a.tile:focus').count()).toBe(0);
  });

  test('the size of the pictures is chosen, and remembered', async () => {
    const page = await site.visit('/?dup=1');
    const height = async () => (await tilesOf(page).first().boundingBox())?.height ?? 0;
    await idsOn(page);
    const medium = await height();
    await page.getByRole('button', { name: 'Small pictures' }).click();
    await expect.poll(height).toBeLessThan(medium * 0.8);
    await page.getByRole('button', { name: 'Large pictures' }).click();
    await expect.poll(height).toBeGreaterThan(medium * 1.2);
    const large = await height();
    await page.reload();
    await idsOn(page);
    expect(await height()).toBeCloseTo(large, 0);
    expect(await page.getByRole('button', { name: 'Large pictures' }).getAttribute('aria-pressed')).toBe(
      'true',
    );
  });
});
