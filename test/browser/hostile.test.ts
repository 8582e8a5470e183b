import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { type Sample, samples } from '../service/small-release.ts';
import { HOSTILE_ADDRESSES, HOSTILE_TEXTS } from './hostile.ts';
import { built, detailsOf, fitsWidth, idsOn, SearchPage, tilesOf } from './search-page.ts';

const names = Object.keys(HOSTILE_TEXTS);
/** A row as anybody's, to hold the layout of the others against. */
const HARMLESS = names.length;

/** Controls, and what is not seen or turns what stands around it; the joiner of emoji may stay. */
const UNSEEN = /\p{Cc}|\p{Zl}|\p{Zp}|(?!\u200d)\p{Cf}/u;

/** A picture for each hostile text, with a hostile address in each of the places that have one; then a harmless one. */
async function hostileSamples(): Promise<Sample[]> {
  const all = await samples();
  return [...names, ''].map((name, id) => {
    const sample = all[id + 7];
    if (!sample) throw new Error('too few samples');
    const { row, image } = sample;
    const at = (shift: number) => HOSTILE_ADDRESSES[(id + shift) % HOSTILE_ADDRESSES.length] ?? '';
    const hostile = {
      text: HOSTILE_TEXTS[name] ?? '',
      url: at(0),
      pageUrl: at(5),
      license: at(10),
      language: id % 2 === 0 ? 'en' : '"><img src=x onerror=globalThis.hacked=1>',
    };
    return {
      image,
      row: {
        ...row,
        sampleId: BigInt(id),
        key: String(id).padStart(12, '0'),
        text: 'A red square',
        ...(id !== HARMLESS && hostile),
      },
    };
  });
}

describe.skipIf(!built)('texts and addresses of strangers', { timeout: 60_000 }, () => {
  const site = new SearchPage(hostileSamples);
  const unharmed = async (page: Page) => {
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
    expect(await fitsWidth(page)).toBe(true);
  };
  /** Where the names of facts stand. */
  const edges = (page: Page) =>
    detailsOf(page)
      .locator('dt')
      .evaluateAll((all) => all.map((dt) => dt.getBoundingClientRect().x));

  test.each([
    ['desktop', { width: 1280, height: 800 }],
    ['phone', { width: 360, height: 740 }],
  ])('stay text in the grid and its captions, %s', async (_, viewport) => {
    const page = await site.visit('/?dup=1', { viewport });
    expect(await idsOn(page)).not.toHaveLength(0);
    await page.getByRole('heading', { level: 1, name: 'A handful from this release' }).waitFor();
    await page.getByText(`${names.length + 1} of ${names.length + 1} pairs`).waitFor();
    for (let i = 0; i < names.length; i++) {
      const alt =
        (await page
          .locator('.grid img')
          .nth(i)
          .getAttribute('alt', { timeout: 100 })
          .catch(() => null)) ?? '';
      expect(alt).not.toMatch(UNSEEN);
      expect(alt.length).toBeLessThanOrEqual(200);
    }
    for (const tile of await tilesOf(page).all())
      await tile.hover({ force: true, timeout: 1000 }).catch(() => {});
    await unharmed(page);
  });

  test('stay text in the details, beside which all stands where it always does', async () => {
    const page = await site.visit(`/?dup=1&id=${HARMLESS}`);
    const details = detailsOf(page);
    await details.getByText(String(HARMLESS), { exact: true }).waitFor();
    const usual = await edges(page);
    for (const [id, name] of names.entries()) {
      await page.goto(site.address(`/?dup=1&id=${id}`));
      await details.getByText(String(id), { exact: true }).waitFor();
      const more = details.getByRole('button', { name: /^Show all/ });
      if (await more.count()) await more.click();
      // What is no Unicode is replaced on its way, as by every encoder of UTF-8.
      const text = (HOSTILE_TEXTS[name] ?? '').toWellFormed();
      expect(await details.locator('.quote bdi').textContent(), name).toBe(text);
      const links = await details
        .locator('a[target]')
        .evaluateAll((all) => all.map((a) => `${a.getAttribute('href')} ${a.getAttribute('rel')}`));
      for (const link of links) expect(link, name).toMatch(/^https?:\/\/.* noopener noreferrer nofollow$/s);
      const now = await edges(page);
      expect(now.length, name).toBeGreaterThanOrEqual(8);
      for (const x of now) expect(x, name).toBe(usual[0]);
      await details.getByRole('button', { name: 'Close the details' }).click();
      await details.waitFor({ state: 'detached' });
      await unharmed(page);
    }
  });

  test('stay text in the menus of filters and their chips', async () => {
    const page = await site.visit('/?dup=1');
    await idsOn(page);
    for (const name of ['Language', 'Licence', 'Site']) {
      await page.getByRole('button', { name, exact: true }).click();
      const menu = page.getByRole('dialog', { name });
      await menu.locator('label').first().waitFor();
      for (const box of await menu.getByRole('checkbox').all()) await box.check();
      expect(await menu.locator('img, script, style, a').count()).toBe(0);
      await unharmed(page);
      await page.keyboard.press('Escape');
    }
    expect(await page.locator('.active img, .active script').count()).toBe(0);
    expect(await page.locator('.active button').count()).toBeGreaterThan(10);
    await unharmed(page);
  });

  test('stay text as a query', async () => {
    const page = await site.visit('/');
    for (const [name, text] of Object.entries(HOSTILE_TEXTS)) {
      if (text.trim() === '' || text.length > 1000) continue;
      await page.goto(site.address(`/?q=${encodeURIComponent(text.toWellFormed())}&dup=1`));
      await page.locator('h1 bdi').waitFor();
      expect(await page.locator('h1 *:not(bdi)').count(), name).toBe(0);
      expect(await page.title(), name).not.toMatch(UNSEEN);
      await idsOn(page);
      await unharmed(page);
    }
  });

  test('addresses of the page that nobody would share are read without harm', async () => {
    for (const query of [
      '?picture=__proto__&like=-&like=x&and=&match=9e99&shape=toString&side=-1&seed=1e9&id=-4',
      `?${'lang=a&'.repeat(500)}`,
      '?id=999999999999999&dup=1',
      `?url=${encodeURIComponent('javascript:globalThis.hacked=1')}`,
      `?dup=1#00000000-5=${'A'.repeat(50_000)}`,
      '?picture=00000000-5#00000000-5=%%%&&&=&x=y',
    ]) {
      const page = await site.visit(`/${query}`);
      await page.getByLabel('Search by words').waitFor();
      await page.waitForLoadState('networkidle');
      await unharmed(page);
    }
  });
});
