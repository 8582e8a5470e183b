import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pageFileRoutes } from '../../src/service/page-files.ts';

test('serves the built page: names with a hash for ever, the rest asked for anew', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'page-files-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<title>gleaner</title>');
  await writeFile(join(folder, 'assets', 'index-abc.js'), 'export {};');
  const app = await pageFileRoutes(folder);
  await rm(folder, { recursive: true });

  const page = await app.request('/');
  expect(await page.text()).toBe('<title>gleaner</title>');
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const script = await app.request('/assets/index-abc.js');
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(script.headers.get('cache-control')).toContain('immutable');
  expect((await app.request('/assets/../../package.json')).status).toBe(404);
});

test('says how to build the page where it is not', async () => {
  const app = await pageFileRoutes(join(tmpdir(), 'there-is-no-such-folder'));
  const answer = await app.request('/');
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain('npm run build:web');
  expect((await app.request('/other')).status).toBe(404);
});
