import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { indexRun, runLocally } from '../../src/executors/index.ts';
import { readReports } from '../../src/pipeline/index.ts';
import { releasedPairs } from '../support/contents.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';

describe('gleaner serve', () => {
  let folder: string;
  let out: string;
  let servers: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-serve-'));
    const crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 4 });
    out = join(folder, 'out');
    const sources = { wats: crawl.wats, imagesFrom: [crawl.archive] };
    await runLocally({ recipe: 'everything', ...sources, workers: 1, out });
    await indexRun(out);
  }, 120_000);
  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(...args: string[]): Promise<{ server: ChildProcess; url: string }> {
    const server = startGleaner(['serve', out, '--port', '0', '--json', ...args]);
    servers = [...servers, server];
    if (!server.stdout) throw new Error('no output');
    const [line] = (await once(createInterface(server.stdout), 'line')) as [string];
    return { server, url: (JSON.parse(line) as { url: string }).url };
  }
  const search = (url: string, body: object, headers: Record<string, string> = {}) =>
    fetch(new URL('/knn-service', url), {
      method: 'POST',
      body: JSON.stringify({ num_images: 3, ...body }),
      headers,
    });

  it('searches by a picture, which a process of its own decodes; takes reports; ends when it is told', async () => {
    const { server, url } = await serve();
    const [first] = await releasedPairs(out);
    const image = Buffer.from(first?.jpeg ?? []).toString('base64');
    const hits = (await (await search(url, { image })).json()) as { similarity: number }[];
    expect(hits[0]?.similarity).toBeGreaterThan(0.95);
    expect((await search(url, { image: image.slice(0, 400) })).status).toBe(400);
    const report = await fetch(new URL('/api/v1/reports', url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"id":0,"reason":"copyright"}',
    });
    expect(report.status).toBe(202);
    expect((await readReports(out)).open).toMatchObject([{ row: 0, reason: 'copyright' }]);
    expect((await fetch(new URL('/readyz', url))).status).toBe(200);
    server.kill('SIGTERM');
    const [code] = await once(server, 'exit');
    expect(code).toBe(0);
  }, 60_000);

  it('keeps to the limits that it is given, and lets named pages ask', async () => {
    const { server, url } = await serve('--rate-limit', '1', '--cors-origin', 'https://example.org');
    const statuses: number[] = [];
    for (let i = 0; i < 14; i++) {
      const answer = await search(url, { text: 'red' }, { Origin: 'https://example.org' });
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://example.org');
      statuses.push(answer.status);
    }
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
    expect(statuses).toContain(429);
    server.kill('SIGTERM');
    await once(server, 'exit');
  }, 60_000);

  // Windows has no signal that asks.
  it.skipIf(process.platform === 'win32')(
    'told twice, it ends at once',
    async () => {
      const { server, url } = await serve('--drain', '600');
      const open = connect(Number(new URL(url).port), '127.0.0.1');
      await once(open, 'connect');
      server.kill('SIGTERM');
      await vi.waitFor(async () => expect((await fetch(new URL('/readyz', url))).status).toBe(503), 10_000);
      server.kill('SIGTERM');
      const [code] = await once(server, 'exit');
      expect(code).toBe(130);
      open.destroy();
    },
    60_000,
  );

  it.each([
    [['--cors-origin', 'https://example.org/page'], '--cors-origin'],
    [['--rate-limit', 'many'], '--rate-limit'],
    [['--trust-proxy', '-1'], '--trust-proxy'],
    [['--deadline', '0'], '--deadline'],
  ])('%j: one line that names the option', async (args, name) => {
    const { code, stderr } = await gleaner(['serve', out, '--port', '0', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^gleaner: [^\n]+\n$/);
    expect(stderr).toContain(name);
  });
});
