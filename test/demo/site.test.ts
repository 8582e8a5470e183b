import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite, type SiteStep } from '../../demo/site.ts';
import { readWat, SMALL, temporaryFolder } from './fixture.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const options = () => ({ seed: 7, ...SMALL, port: 0, out: folder.path, wats: 2 });

it('makes, serves and crawls a web in a thread, until it is disposed of', async () => {
  const seen = new Map<SiteStep, string>();
  const site = await openSite(
    options(),
    (step, done, total) => seen.set(step, `${done}/${total}`),
    new AbortController().signal,
  );
  const [host] = site.hosts;
  expect((await fetch(`http://${host}/`)).status).toBe(200);
  expect(seen).toEqual(
    new Map([
      ['make', '60/60'],
      ['crawl', '12/12'],
    ]),
  );
  const pages = await Promise.all(site.wats.map(async (path) => readWat(await readFile(path))));
  expect(pages.flat()).toHaveLength(2 + 3 * SMALL.pages);
  const plan = JSON.parse(await readFile(join(folder.path, 'plan.json'), 'utf8')) as { links: unknown };
  expect(plan.links).toEqual(site.plan.links);
  await site[Symbol.asyncDispose]();
  await expect(fetch(`http://${host}/`)).rejects.toThrow();
}, 60_000);

it('stops when it is told to', async () => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const opening = openSite(options(), () => stop.abort(reason), stop.signal);
  await expect(opening).rejects.toBe(reason);
}, 60_000);
