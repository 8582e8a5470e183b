import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { FleetReader, type FleetStatus } from '../../src/executors/fleet/status/index.ts';
import { serveFleet } from '../../src/service/fleet/index.ts';
import type { Listening } from '../../src/service/listen.ts';
import { fillLargeFleet } from '../fleet/made-fleets.ts';
import { SmallFleet } from '../fleet/small-fleet.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { launchBrowser, openPage, screenshotFolder } from './browser.ts';
import { HOSTILE_TEXTS } from './hostile.ts';

const built = existsSync(fileURLToPath(new URL('../../web/dist/fleet.html', import.meta.url)));
if (!built) console.warn("The fleet's page is not built, so it is not tested: npm run build:web");

const SIZES = [
  [360, 740],
  [820, 1180],
  [1280, 800],
  [2560, 1300],
] as const;

describe.skipIf(!built)("the fleet's page", { timeout: 60_000 }, () => {
  let postgres: Postgres;
  let database: Database;
  let fleet: SmallFleet;
  let browser: Browser;
  let service: Listening | undefined;
  let shown: Page | undefined;
  const complaints: string[] = [];
  const strangers: string[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await Database.open(postgres.url, { supervise: false, patienceMs: 1000 });
    fleet = new SmallFleet(database);
    browser = await launchBrowser();
  }, 60_000);
  beforeEach(() => fleet.clear());
  afterEach(async () => {
    await shown?.context().close();
    await service?.close();
    shown = undefined;
    service = undefined;
    expect(complaints.splice(0)).toEqual([]);
    expect(strangers.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await database?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  interface Visit extends BrowserContextOptions {
    readonly host?: string;
    readonly reader?: Pick<FleetReader, 'read'>;
  }

  /** Opens the page of a service of its own; at any address it is asked by loopback. */
  async function visit({ host, reader, ...options }: Visit = {}): Promise<Page> {
    service = await serveFleet(reader ?? new FleetReader(database, { prices: { cpuHour: 0.04 } }), {
      port: 0,
      ...(host !== undefined && { host }),
    });
    const url = `http://127.0.0.1:${service.port}/`;
    shown = await openPage(browser, url, '/', { complaints, strangers }, options);
    return shown;
  }

  const run = (page: Page, name: string) => page.getByRole('region', { name: `Run ${name}` });
  const fits = (page: Page) => page.evaluate('document.documentElement.scrollWidth <= innerWidth');

  test('tells stages, failures, workers and cost, and renews itself', async () => {
    await fillLargeFleet(fleet);
    const page = await visit();
    const laion = run(page, 'laion-2026');
    await laion.waitFor();
    const harvest = laion.getByRole('progressbar', { name: 'Tasks of harvest' });
    expect(await harvest.getAttribute('aria-valuetext')).toBe('120 of 312 done');
    // 61.2, 58.7 and twice 8.4 of the workers that live.
    await laion.getByText('137 pairs/s').waitFor();
    await laion.getByText('32 under way · 156 free · 1 to be tried again · 3 failed too often').waitFor();
    await laion.getByText('text does not match the image').waitFor();
    await laion.getByText('2 tasks, as harvest/').waitFor();
    await laion.getByText('s3://crawls: SlowDown, asked 8 times').waitFor();
    // 172 tasks of 36 s at 0.04 an hour.
    await laion.getByText('for 1.72 CPU-hours').waitFor();
    await page.getByText('release: 32 tasks wait and no worker takes this stage').waitFor();
    await page.getByText('4 working · 3 idle · 1 draining · 1 lost').waitFor();
    const rows = await page
      .getByRole('region', { name: 'Volunteers, by' })
      .getByRole('row')
      .allTextContents();
    expect(rows.slice(1).map((text) => text.replace(/500,000.*|0[A-Z].*/, ''))).toEqual(
      expect.arrayContaining(
        ['anna1250,000', 'Bürgernetz e. V.1250,000'].map((text) => expect.stringContaining(text)),
      ),
    );
    await fleet.complete('harvest', 10, { fetched: { in: 1, out: 1, dropped: {} } });
    await laion.locator('[aria-label="Tasks of harvest"][aria-valuenow="130"]').waitFor();
  });

  test('an empty fleet says how to begin', async () => {
    const page = await visit();
    await page.getByText('No run was submitted to this fleet yet').waitFor();
    expect(await fits(page)).toBe(true);
  });

  test('a rate is drawn over time', async () => {
    await fillLargeFleet(fleet);
    const page = await visit({ reader: inTime(new FleetReader(database)) });
    await run(page, 'laion-2026')
      .getByText(/^Last \d+ (s|min), at most \d+ pairs\/s$/)
      .waitFor();
    const path = await page.locator('.spark path').getAttribute('d');
    expect(path).toMatch(/^M2\.0 [\d.]+(?:L[\d.]+ [\d.]+){2,}$/);
  });

  test('names of strangers stay names', async () => {
    const all = Object.entries(HOSTILE_TEXTS).map(([what, text], i) => ({
      what,
      text: text.replaceAll('\0', ''),
      i,
    }));
    for (const { text, i } of all) {
      const name = text.toWellFormed();
      await fleet.run(`r${i}`, { name, location: `s3://user:secret@bucket/${name}` });
      await fleet.stage(`r${i}`, 'extract', 2);
      const [task] = await fleet.take('extract', 1);
      if (task) await fleet.kill(task, name);
      await fleet.worker(`w${i}`, {
        name,
        host: name,
        stages: [name],
        kind: i % 2 === 0 ? 'volunteer' : 'trusted',
      });
    }
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 360, height: 740 },
    ]) {
      const page = await visit({ viewport });
      await page.getByRole('region', { name: 'Workers' }).first().waitFor();
      expect(await page.getByRole('region', { name: /^Run / }).count()).toBe(all.length);
      expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
      expect(await fits(page)).toBe(true);
      const text = (await page.locator('body').textContent()) ?? '';
      expect(text).toContain('<script>globalThis.hacked = 1</script> red square');
      expect(text).not.toContain('secret');
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
      await page.context().close();
      await service?.close();
    }
  });

  test('what others can reach tells no hosts, places and messages, and can only be read', async () => {
    await fillLargeFleet(fleet);
    const page = await visit({ host: '0.0.0.0' });
    await run(page, 'laion-2026').getByText('2 tasks, as harvest/').waitFor();
    const answer = await (await fetch(new URL('/api/status', page.url()))).text();
    const status: { status: FleetStatus } = JSON.parse(answer);
    expect(status.status.runs).toHaveLength(4);
    expect(status.status.workers).toHaveLength(9);
    const seen = `${answer}${await page.locator('body').textContent()}`;
    for (const secret of ['machine-', 's3://', '/shared', 'unique/', 'sha256', '127.0.0.1', 'postgres'])
      expect(seen).not.toContain(secret);
    const posted = await fetch(new URL('/api/status', page.url()), { method: 'POST', body: '{}' });
    expect(posted.status).toBe(405);
  });

  test('a database that is away is told, and what was last seen stays', async () => {
    await fillLargeFleet(fleet);
    const page = await visit();
    await run(page, 'laion-2026').waitFor();
    await postgres.stop();
    try {
      await page.getByRole('alert').getByText('What stands here is as it was last').waitFor();
      expect(await run(page, 'laion-2026').count()).toBe(1);
      expect((await fetch(new URL('/readyz', page.url()))).status).toBe(503);
      expect((await fetch(new URL('/healthz', page.url()))).status).toBe(200);
    } finally {
      await postgres.start();
    }
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });

  test.each(SIZES)('at %i × %i nothing sticks out', async (width, height) => {
    await fillLargeFleet(fleet);
    const page = await visit({ viewport: { width, height } });
    await run(page, 'laion-2026').waitFor();
    expect(await fits(page)).toBe(true);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing to mend, %s', async (colorScheme) => {
    await fillLargeFleet(fleet);
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 360, height: 740 },
    ]) {
      const page = await visit({ colorScheme, viewport });
      await run(page, 'laion-2026').waitFor();
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
      await page.context().close();
      await service?.close();
    }
  });

  test.skipIf(!screenshotFolder)('screenshots', async () => {
    await fillLargeFleet(fleet);
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of [1280, 360, 2560]) {
        const reader = inTime(new FleetReader(database, { prices: { cpuHour: 0.04 } }));
        const page = await visit({
          colorScheme,
          reader,
          viewport: { width, height: width === 360 ? 740 : 900 },
        });
        await page.locator('.spark').first().waitFor();
        await writeFile(
          join(screenshotFolder ?? '.', `fleet-${width}-${colorScheme}.png`),
          await page.screenshot({ fullPage: true }),
        );
        await page.context().close();
        await service?.close();
      }
  });
});

/** Looks that lie two minutes apart each, with a rate that goes up and down: what an hour shows, in seconds. */
function inTime(reader: FleetReader): Pick<FleetReader, 'read'> {
  let looks = 0;
  return {
    async read() {
      const status = await reader.read();
      looks++;
      const wave = 1 + 0.3 * Math.sin(looks);
      return {
        ...status,
        at: new Date(Date.parse(status.at) + looks * 30_000).toISOString(),
        runs: status.runs.map((run) => ({
          ...run,
          stages: run.stages.map((stage) => ({
            ...stage,
            perSecond: stage.perSecond === null ? null : stage.perSecond * wave,
          })),
        })),
      };
    },
  };
}
