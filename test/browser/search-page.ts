import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type Service, startService } from '../../src/service/index.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import { shapeEmbedder } from '../service/shapes.ts';
import { type Sample, samples, stageContext, writeRelease } from '../service/small-release.ts';
import { launchBrowser, openPage } from './browser.ts';

export const built = existsSync(fileURLToPath(new URL('../../web/dist/index.html', import.meta.url)));
if (!built) console.warn('The page is not built, so it is not tested: npm run build:web');

/** The search page of a real service, in a real browser; for the tests of one `describe`. */
export class SearchPage {
  readonly #make: () => Promise<Sample[]>;
  readonly #complaints: string[] = [];
  readonly #strangers: string[] = [];
  #dir = '';
  #all: readonly Sample[] = [];
  #service: Service | undefined;
  #browser: Browser | undefined;
  #shown: Page | undefined;

  /**
   * Opens before the tests and closes behind them. After each it is looked that the page complained of nothing, and asked
   * nobody but the service.
   *
   * @param make rows of the release. @default 75 drawings, row 0 NSFW and row 6 UNSURE
   */
  constructor(make: () => Promise<Sample[]> = samples) {
    this.#make = make;
    beforeAll(() => this.#open(), 60_000);
    afterEach(async () => {
      await this.#shown?.context().close();
      this.#shown = undefined;
      expect(this.#complaints.splice(0)).toEqual([]);
      expect(this.#strangers.splice(0)).toEqual([]);
    });
    afterAll(async () => {
      await this.#browser?.close();
      await this.#service?.close();
      await rm(this.#dir, { recursive: true, force: true });
    });
  }

  async #open(): Promise<void> {
    this.#dir = await mkdtemp(join(tmpdir(), 'page-'));
    this.#all = await this.#make();
    await writeRelease(this.#dir, this.#all);
    await indexRelease({ dir: this.#dir }, stageContext(this.#dir));
    this.#service = await startService({ dir: this.#dir, port: 0, embedder: shapeEmbedder });
    this.#browser = await launchBrowser();
  }

  /** The folder of the run. */
  get dir(): string {
    return this.#dir;
  }

  get all(): readonly Sample[] {
    return this.#all;
  }

  textOf(id: number | undefined): string {
    return this.#all[id ?? -1]?.row.text ?? '';
  }

  address(path: string): string {
    return new URL(path, this.#service?.url).href;
  }

  async visit(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    await this.#shown?.context().close();
    if (!this.#browser || !this.#service) throw new Error('the page is not open yet');
    const watch = { complaints: this.#complaints, strangers: this.#strangers };
    this.#shown = await openPage(this.#browser, this.#service.url, path, watch, options);
    // Below the limit of a test, so that a failure names the line that waited.
    this.#shown.setDefaultTimeout(15_000);
    return this.#shown;
  }
}

export function tilesOf(page: Page): Locator {
  return page.locator('.grid a.tile');
}

/** The ids of the pictures near the window, once there are any. */
export async function idsOn(page: Page): Promise<number[]> {
  await page.locator('.grid a.tile.here').first().waitFor();
  return tilesOf(page).evaluateAll((links) => links.map((link) => Number(link.getAttribute('data-id'))));
}

/** Searches by words, and waits for the answer. */
export async function searchFor(page: Page, words: string): Promise<void> {
  await page.getByLabel('Search by words').fill(words);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: words }).waitFor();
  await isThere(page);
}

/** Waits until the results of a search are there. */
export async function isThere(page: Page): Promise<void> {
  await page
    .getByRole('status')
    .getByText(/^The [\d,]+ (nearest|best)/)
    .waitFor();
}

export function detailsOf(page: Page): Locator {
  return page.getByRole('complementary', { name: 'About this picture' });
}

/** Whether nothing of the page sticks out at its side. */
export function fitsWidth(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth <= innerWidth');
}
