import { delimiter } from 'node:path';
import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

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
