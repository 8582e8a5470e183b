import { describe, expect, test } from 'vitest';
import { drawing } from '../service/shapes.ts';
import { type Sample, samples } from '../service/small-release.ts';
import { built, idsOn, isThere, SearchPage } from './search-page.ts';

/** The usual drawings, of which every fifth text is German, every third has a licence, and every fourth lies elsewhere. */
async function varied(): Promise<Sample[]> {
  return (await samples()).map((sample, id) => ({
    ...sample,
    row: {
      ...sample.row,
      language: id % 5 === 0 ? 'de' : 'en',
      ...(id > 5 && id % 4 === 0 && { url: `https://other.example/${id}.jpg` }),
    },
  }));
}

describe.skipIf(!built)('filters of the search page', { timeout: 30_000 }, () => {
  const site = new SearchPage(varied);
  const rows = () => site.all.map(({ row }, id) => ({ ...row, id }));
  const safe = () => rows().filter(({ nsfw }) => nsfw === 'UNLIKELY');
  const english = (n: number) => n.toLocaleString('en');

  test('are counted over the release, several at once, removable, and in the address', async () => {
    const page = await site.visit('/?q=red&dup=1');
    await idsOn(page);
    await page.getByRole('button', { name: 'Language' }).click();
    const languages = page.getByRole('dialog', { name: 'Language' });
    const german = safe().filter(({ language }) => language === 'de');
    await languages.getByLabel('German').waitFor();
    const line = languages.locator('label', { hasText: 'German' });
    expect(await line.locator('.count').textContent()).toBe(english(german.length));
    await languages.getByLabel('German').check();
    await page.getByText(`of ${german.length} pairs`).waitFor();
    const wanted = new Set(german.map(({ id }) => id));
    for (const id of await idsOn(page)) expect(wanted).toContain(id);

    // Another field, counted under the first; the first keeps its counts.
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Licence' }).click();
    const licences = page.getByRole('dialog', { name: 'Licence' });
    const both = german.filter(({ license }) => license.includes('creativecommons.org/licenses/by/4.0'));
    const licence = licences.locator('label', { hasText: 'CC BY 4.0' });
    await licence.locator('.count', { hasText: english(both.length) }).waitFor();
    await licence.click();
    await page.getByText(`of ${both.length} pairs`).waitFor();
    expect((await idsOn(page)).sort((a, b) => a - b)).toEqual(both.map(({ id }) => id));
    const { searchParams } = new URL(page.url());
    expect(searchParams.getAll('lang')).toEqual(['de']);
    expect(searchParams.getAll('licence')).toEqual(['https://creativecommons.org/licenses/by/4.0/']);

    await page.reload();
    await page.getByText(`of ${both.length} pairs`).waitFor();
    await page.getByRole('button', { name: 'Remove German' }).click();
    const licensed = safe().filter(({ license }) => license !== '?' && !license.startsWith('javascript'));
    await page.getByText(`of ${licensed.length} pairs`).waitFor();
    expect(new URL(page.url()).searchParams.getAll('lang')).toEqual([]);
    await page.goBack();
    await page.getByText(`of ${both.length} pairs`).waitFor();
    await page.getByRole('button', { name: 'Clear the filters' }).click();
    await page.getByText('of 75 pairs').waitFor();
  });

  test('by site: those with the most, and one that is typed', async () => {
    const page = await site.visit('/?dup=1');
    await idsOn(page);
    await page.getByRole('button', { name: 'Site' }).click();
    const sites = page.getByRole('dialog', { name: 'Site' });
    await sites.getByLabel('Another site').fill('https://OTHER.example/some/page');
    await sites.getByRole('button', { name: 'Add' }).click();
    const there = safe().filter(({ url }) => url.startsWith('https://other.example/'));
    await page.getByText(`of ${there.length} pairs`).waitFor();
    expect((await idsOn(page)).sort((a, b) => a - b)).toEqual(there.map(({ id }) => id));
    expect(await sites.getByLabel('other.example').isChecked()).toBe(true);
  });

  test('by size, shape and text match, with what each leaves', async () => {
    const page = await site.visit('/?dup=1');
    await idsOn(page);
    const count = async (menu: string, choice: string, expected: number) => {
      await page.getByRole('button', { name: menu, exact: true }).click();
      const line = page.getByRole('dialog', { name: menu }).locator('label', { hasText: choice });
      await line.locator('.count', { hasText: new RegExp(`^${expected}$`) }).waitFor();
      await line.click();
      await page.keyboard.press('Escape');
      await page.getByText(`of ${expected} pairs`).waitFor();
    };
    const wide = safe().filter(({ width, height }) => width / height > 1.25);
    await count('Shape', 'Wide', wide.length);
    const matched = wide.filter(({ similarity }) => similarity >= 0.375);
    expect(matched.length).not.toBe(wide.length);
    await page.goto(`${page.url()}&match=0.375`);
    await page.getByText(`of ${matched.length} pairs`).waitFor();
    await page.getByRole('button', { name: 'Remove Text match from 0.38' }).click();
    const large = wide.filter(({ width, height }) => Math.min(width, height) >= 1024);
    await count('Size', '1,024 pixels', large.length);
    expect((await idsOn(page)).sort((a, b) => a - b)).toEqual(large.map(({ id }) => id));
    await page.getByRole('button', { name: 'Text match', exact: true }).click();
    await page.getByRole('dialog', { name: 'Text match' }).getByLabel('0.40').click();
    const last = large.filter(({ similarity }) => similarity >= 0.4);
    expect(last.length).not.toBe(large.length);
    await page.getByText(`of ${last.length} pairs`).waitFor();
  });

  test('that nothing passes are told, with the way out', async () => {
    const page = await site.visit('/?q=red&site=nowhere.example&dup=1');
    await page.getByText('No picture passes these filters.').waitFor();
    await page.locator('.message').getByRole('button', { name: 'Clear the filters' }).click();
    await isThere(page);
    expect(await idsOn(page)).not.toHaveLength(0);
  });

  test('safe mode is on at the start; what it hides is counted, and shown when it is off', async () => {
    const page = await site.visit('/?q=red+square&dup=1');
    const mode = page.getByRole('switch', { name: 'Safe mode' });
    expect(await mode.getAttribute('aria-checked')).toBe('true');
    await page.getByText('2 hidden: may not be safe').waitFor();
    expect(await idsOn(page)).not.toContain(0);
    expect(await page.getByRole('button', { name: 'Safety' }).count()).toBe(0);
    await mode.click();
    await page.getByText('nothing is hidden').waitFor();
    expect((await idsOn(page)).slice(0, 5)).toContain(0);
    expect(new URL(page.url()).searchParams.get('nsfw')).toBe('1');
    // What is shown can be looked at alone.
    await page.getByRole('button', { name: 'Safety' }).click();
    await page.getByRole('dialog', { name: 'Safety' }).getByLabel('not safe for work').check();
    await page.getByText('of 1 pair').waitFor();
    expect(await idsOn(page)).toEqual([0]);
    await page.keyboard.press('Escape');
    await mode.click();
    await isThere(page);
    expect(await idsOn(page)).not.toContain(0);
  });

  test('duplicates are hidden at the start, and how many is said', async () => {
    const page = await site.visit('/?q=blue+circle');
    await isThere(page);
    const texts = (await idsOn(page)).map((id) => site.textOf(id).replace(/, number.*/, ''));
    // Of each colour and shape one, where the five sizes are one picture to the embedder.
    expect(texts.filter((text) => text === 'A blue circle')).toHaveLength(1);
    const said = await page.getByText(/duplicates? left out/).textContent();
    const left = Number(/\d+/.exec(said ?? '')?.[0]);
    expect(left).toBeGreaterThanOrEqual(4);
    expect(left + texts.length).toBe(73);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('The 60 nearest').waitFor();
    expect(new URL(page.url()).searchParams.get('dup')).toBe('1');
    expect(await page.getByRole('switch', { name: 'Hide duplicates' }).getAttribute('aria-checked')).toBe(
      'false',
    );
    const all = (await idsOn(page)).slice(0, 5).map((id) => site.textOf(id));
    for (const text of all) expect(text).toContain('blue circle');
  });
});

describe.skipIf(!built)('a long list', { timeout: 30_000 }, () => {
  /** More rows than a page may hold tiles of. */
  const ROWS = 1500;
  const site = new SearchPage(async () => {
    const [first] = await samples();
    if (!first) throw new Error('no samples');
    const images = await Promise.all(
      (['square', 'circle', 'triangle'] as const).map((shape, i) => drawing('red', shape, 48 + 16 * i, 48)),
    );
    return Array.from({ length: ROWS }, (_, id) => ({
      image: images[id % 3] ?? first.image,
      row: {
        ...first.row,
        sampleId: BigInt(id),
        key: String(id).padStart(12, '0'),
        url: `https://images.example/${id}.jpg`,
        text: `A red thing, number ${id}`,
        nsfw: 'UNLIKELY' as const,
        storedWidth: 48 + 16 * (id % 3),
        storedHeight: 48,
      },
    }));
  });

  test('has only the tiles near the window in the document', async () => {
    const page = await site.visit('/?q=red&dup=1');
    const seen = new Set(await idsOn(page));
    for (let turns = 0; seen.size < ROWS && turns < 200; turns++) {
      // No further than what is made ready beyond the window, so that nothing is passed over.
      await page.evaluate('scrollBy(0, 2 * innerHeight)');
      const ids = await page.evaluate<string[]>(`new Promise((resolve) => {
        const look = () => {
          const ids = [...document.querySelectorAll('.grid a.tile')].map((link) => link.dataset.id);
          const isLast = scrollY + innerHeight >= document.documentElement.scrollHeight - 1;
          if (!isLast || document.querySelector('.end').textContent === 'That is all.') resolve(ids);
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(() => requestAnimationFrame(look));
      })`);
      // Three windows of 800 pixels, of rows of some 200, and a few beyond.
      expect(ids.length).toBeLessThan(200);
      for (const id of ids) seen.add(Number(id));
    }
    expect(seen.size).toBe(ROWS);
    await page.getByText(`The ${ROWS.toLocaleString('en')} nearest`).waitFor();
    // A reader without sight is told how many there are, and which one it is.
    const last = page.locator('.grid li').last();
    expect(await last.getAttribute('aria-setsize')).toBe(String(ROWS));
    expect(await last.getAttribute('aria-posinset')).toBe(String(ROWS));
    // Back at the top, where the keyboard still is.
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('a.tile:focus').getAttribute('data-index')).toBe('0');
    expect(await page.evaluate('scrollY')).toBeLessThan(400);
  });
});
