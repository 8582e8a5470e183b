/** Who asks, and by which way, decides about no pair: it may change, and a password is nobody else's. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RecipeOverrides } from '../../src/config/index.ts';
import { downloadLocally, retryLocally } from '../../src/executors/download.ts';
import { retryRunLocally, runLocally } from '../../src/executors/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { treeOf } from '../support/tree.ts';

const PASSWORD = 'swordfish-8812';
const CONTACT = 'somebody@crawl.example';

describe('contact and proxy', () => {
  let folder: string;
  let crawl: SmallCrawl;
  /** Where nobody listens, as a DNS server and as a proxy. */
  let nobody: string;
  let closed: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-who-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 3 });
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no port');
    nobody = `127.0.0.1:${address.port}`;
    closed = `http://me:${PASSWORD}@${nobody}`;
    await new Promise((resolve) => server.close(resolve));
  });
  afterEach(() => {
    delete process.env.GLEANER_PROXY;
  });

  /** Files of a folder in which these words stand. */
  async function filesWith(out: string, words: string): Promise<string[]> {
    const found: string[] = [];
    for (const path of Object.keys(await treeOf(out)))
      if ((await readFile(join(out, path))).includes(words)) found.push(path);
    return found;
  }

  it('may change within a run, and stand in nothing that is released', async () => {
    const out = join(folder, 'run');
    const run = (fetch: RecipeOverrides['fetch']) =>
      runLocally({
        recipe: 'everything',
        overrides: { fetch },
        wats: crawl.wats,
        imagesFrom: [crawl.archive],
        out,
        workers: 1,
      });
    await run({ contact: CONTACT, proxy: closed });
    expect(await filesWith(out, PASSWORD)).toEqual([]);
    expect(await filesWith(out, CONTACT)).toEqual(['run.json']);
    const before = await treeOf(out);
    await run({ contact: 'another@crawl.example' });
    const { 'run.json': kept, ...rest } = await treeOf(out);
    expect(rest).toEqual(Object.fromEntries(Object.entries(before).filter(([path]) => path !== 'run.json')));
    expect(kept).not.toBe(before['run.json']);
    expect(await filesWith(out, 'another@crawl.example')).toEqual(['run.json']);
    await expect(run({ userAgent: 'other/1 (+http://other.example)' })).rejects.toThrow(/another recipe/);
  });

  it('a retry asks for the proxy again whose password was not kept', async () => {
    const out = join(folder, 'retried');
    const overrides = { fetch: { proxy: closed } };
    await runLocally({ recipe: 'everything', overrides, wats: crawl.wats, imagesFrom: [crawl.archive], out });
    const retry = () => retryRunLocally({ dir: out, reasons: ['not_archived'], workers: 1 });
    await expect(retry()).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/GLEANER_PROXY/),
    });
    const before = await treeOf(join(out, 'release'));
    process.env.GLEANER_PROXY = closed;
    await retry();
    expect(await treeOf(join(out, 'release'))).toEqual(before);
    expect(await filesWith(out, PASSWORD)).toEqual([]);
  });

  it('may change within a download', async () => {
    const [list, out] = [join(folder, 'list.txt'), join(folder, 'download')];
    await writeFile(list, 'http://image.example/1.jpg\n');
    const download = (fetch: RecipeOverrides['fetch']) =>
      downloadLocally({ urls: [list], out, overrides: { fetch: { retries: 0, ...fetch } }, workers: 1 });
    const dns = { servers: [nobody], timeoutMs: 50 };
    expect(await download({ contact: CONTACT, proxy: closed, dns })).toMatchObject({ done: 1 });
    expect(await filesWith(out, PASSWORD)).toEqual([]);
    expect(await download({ contact: 'another@crawl.example', dns })).toMatchObject({ done: 0, shards: 1 });
    expect(await filesWith(out, 'another@crawl.example')).toEqual(['_gleaner/run.json']);
    await download({ contact: CONTACT, proxy: closed, dns });
    const retry = () => retryLocally({ dir: out, reasons: ['dns', 'connection'], workers: 1 });
    await expect(retry()).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/GLEANER_PROXY/),
    });
    process.env.GLEANER_PROXY = closed;
    expect(await retry()).toMatchObject({ done: 1 });
    expect(await filesWith(out, PASSWORD)).toEqual([]);
  });
});
