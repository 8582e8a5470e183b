import { delimiter } from 'node:path';
import chromium from '@sparticuz/chromium';
import { type Browser, type BrowserContextOptions, type Page, chromium as playwright } from 'playwright-core';

/**
 * The Chromium that npm brought (headless shell), unpacked into the system's temporary folder where it is not yet.
 * Run without its sandbox: containers do not allow one, and it sees nothing but pages of ours.
 */
export async function launchBrowser(): Promise<Browser> {
  chromium.setGraphicsMode = false;
  const executablePath = await chromium.executablePath();
  const args = [
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--font-render-hinting=none',
    '--hide-scrollbars',
  ];
  return playwright.launch({ executablePath, args, headless: true });
}

/** Where a look at the pages is wanted: the folder named by GLEANER_SCREENSHOTS. */
export const screenshotFolder = process.env.GLEANER_SCREENSHOTS?.split(delimiter)[0];

/** What no page of ours may do; a test looks that both stay empty. */
export interface Watch {
  /** Errors and breaches of the page's policy, of all pages. */
  readonly complaints: string[];
  /** Requests to anywhere but the service. */
  readonly strangers: string[];
}

/** Opens a page of the service at `origin` in a context of its own. */
export async function openPage(
  browser: Browser,
  origin: string,
  path: string,
  { complaints, strangers }: Watch,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  page.on('console', (message) => {
    // A refused request is told by the page itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('blob:'))
      strangers.push(request.url());
  });
  await page.goto(new URL(path, origin).href);
  return page;
}
