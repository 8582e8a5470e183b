import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInputs, remoteInputs } from '../../src/pipeline/inputs.ts';
import { FlakyServer, TestClock } from '../storage/flaky-server.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';

let folder: string;
let crawl: SmallCrawl;
let server: FlakyServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-inputs-'));
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 3, pagesPerWat: 1 });
  server = await FlakyServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const names = async (...named: string[]) => (await openInputs(named, 'WAT')).map(({ name }) => name);

describe('openInputs', () => {
  it('expands patterns, sorted, and keeps the order of what was named', async () => {
    const all = ['crawl-0.warc.wat.gz', 'crawl-1.warc.wat.gz', 'crawl-2.warc.wat.gz'];
    expect(await names(join(folder, 'crawl/*.wat.gz'))).toEqual(all);
    expect(await names(join(folder, '**/*-[01].warc.wat.gz'))).toEqual(all.slice(0, 2));
    expect(await names(crawl.wats[2] ?? '', join(folder, 'c*/crawl-{1,0}.*'))).toEqual([
      'crawl-2.warc.wat.gz',
      'crawl-0.warc.wat.gz',
      'crawl-1.warc.wat.gz',
    ]);
  });

  it('takes a name with the characters of a pattern for itself where there is such a file', async () => {
    const odd = join(folder, 'odd');
    await mkdir(odd);
    for (const name of ['a[1].wat.gz', 'a1.wat.gz'])
      await writeFile(join(odd, name), await readFile(crawl.wats[0] ?? ''));
    expect(await names(join(odd, 'a[1].wat.gz'))).toEqual(['a[1].wat.gz']);
  });

  it('refuses a pattern that matches nothing', async () => {
    await expect(openInputs([join(folder, '*.warc')], 'WAT')).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringMatching(/\*\.warc: no such file\. The pattern matches nothing\.$/),
    });
  });

  it('looks at the first record of a URL, asks again where it must, and learns its size', async () => {
    const bytes = await readFile(crawl.wats[0] ?? '');
    server.serve(bytes, [{ status: 503 }, { breakAfter: 20 }]);
    const url = `${server.origin}/x/crawl-0.warc.wat.gz?token=a/b`;
    const clock = new TestClock(server);
    expect(await openInputs([url], 'WAT', { clock })).toEqual([
      { path: url, name: 'crawl-0.warc.wat.gz', bytes: bytes.length },
    ]);
    expect(clock.waits).toHaveLength(2);
  });

  it('refuses a URL that is no WAT, or is not there, be it to give images', async () => {
    const url = `${server.origin}/x.wat.gz`;
    server.serve(Buffer.from('<!DOCTYPE html><html></html>'));
    await expect(openInputs([url], 'WAT')).rejects.toMatchObject({ code: 'NOT_WARC' });
    server.serve(new Uint8Array(), [], { status: 404 });
    await expect(openInputs([url], 'WAT')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openInputs([url], 'WARC')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    server.serve(new Uint8Array(), [], { status: 503 });
    const clock = new TestClock(server);
    await expect(openInputs([url], 'WAT', { clock })).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(/answered 503, 4 times in a row/),
    });
  });
});

describe('remoteInputs', () => {
  const urls = (n: number) => Array.from({ length: n }, (_, i) => `${server.origin}/${i}.warc.wat.gz`);

  it('asks each file of a short list for its size', async () => {
    server.serve(Buffer.alloc(77));
    const inputs = await remoteInputs(urls(5));
    expect(inputs.map(({ path, name, bytes }) => [basename(path), name, bytes])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [`${i}.warc.wat.gz`, `${i}.warc.wat.gz`, 77]),
    );
    expect(server.asked.map(({ method }) => method)).toEqual(Array(5).fill('HEAD'));
  });

  it('asks 64 of a long list, and takes their mean for the others, the same each time', async () => {
    // Odd files of the list are twice as long. The sample is every 2.5th: 0, 2, 5, 7, 10..., half of them odd.
    server.serve(Buffer.alloc(100));
    server.onAsked = () => {
      const n = Number.parseInt(server.asked.at(-1)?.path.slice(1) ?? '', 10);
      server.always = { object: Buffer.alloc(n % 2 === 1 ? 200 : 100) };
    };
    const sizesOf = async () => (await remoteInputs(urls(160))).map(({ bytes }) => bytes);
    const sizes = await sizesOf();
    expect(server.asked).toHaveLength(64);
    expect(sizes.slice(0, 8)).toEqual([100, 150, 100, 150, 150, 200, 150, 200]);
    expect(await sizesOf()).toEqual(sizes);
    server.onAsked = () => undefined;
  });
});
