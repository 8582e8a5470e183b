import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

/** Where WAT files come from must make no difference: a mirror that breaks and slows, against the files themselves. */
describe('gleaner extract, from a server', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let server: Server;
  let origin: string;
  let asked = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-sources-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 3, pagesPerWat: 20 });
    const paths = crawl.wats.map((path) => `crawl-data/CC-TEST-1/wat/${basename(path)}`);
    server = createServer(async (request, response) => {
      const name = basename(request.url ?? '');
      const file =
        name === 'wat.paths.gz'
          ? gzipSync(`${paths.join('\n')}\n`)
          : await readFile(join(folder, 'crawl', name)).catch(() => undefined);
      if (!file || request.url?.includes('CC-TEST-2')) {
        response.writeHead(404).end();
        return;
      }
      asked++;
      if (asked === 3) {
        response.writeHead(503, { 'Retry-After': '0' }).end();
        return;
      }
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (request.headers.range)
        response.setHeader('Content-Range', `bytes ${start}-${file.length - 1}/${file.length}`);
      const status = request.headers.range ? 206 : 200;
      response.writeHead(status, { ETag: `"${file.length}"`, 'Content-Length': file.length - start });
      if (request.method === 'HEAD') response.end();
      else if (start === 0 && file.length > 3000)
        response.write(file.subarray(start, start + 2000), () => response.socket?.destroy());
      else response.end(file.subarray(start));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no port');
    origin = `http://127.0.0.1:${address.port}`;
  });
  afterAll(() => void server.close());

  const extract = (...args: string[]) => gleaner(['extract', '--recipe', 'everything', '--json', ...args]);
  const at = (name: string) => join(folder, name);

  it('leaves the same files, by URL, by crawl and by pattern', async () => {
    const local = await extract('--wat', ...crawl.wats, '--out', at('local'));
    expect(local).toMatchObject({ code: 0, stderr: expect.any(String) });
    const { link } = JSON.parse(local.stdout) as { link: { in: number } };
    expect(link.in).toBe(crawl.links);
    const ways = {
      pattern: ['--wat', join(folder, 'crawl', '*.wat.gz')],
      url: ['--wat', ...crawl.wats.map((path) => `${origin}/any/${basename(path)}`)],
      crawl: ['--crawl', 'CC-TEST-1', '--base-url', origin],
    };
    for (const [name, args] of Object.entries(ways)) {
      expect({ name, ...(await extract(...args, '--out', at(name))) }).toMatchObject({
        code: 0,
        stdout: local.stdout,
      });
      for (const part of ['pairs', 'dropped'])
        expect(await treeOf(join(at(name), part))).toEqual(await treeOf(join(at('local'), part)));
    }
  });

  it('goes on with a crawl that it has begun, and reads nothing twice', async () => {
    const before = asked;
    const args = ['--crawl', 'CC-TEST-1', '--base-url', origin, '--out', at('crawl')];
    expect(await extract(...args)).toMatchObject({ code: 0 });
    // The list, a size for each file, and what the server refused or broke off of these.
    expect(asked - before).toBeLessThan(10);
    expect(await extract(...args, '--sample', '2', '--seed', '7')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^gleaner: [^\n]*another list of WAT files[^\n]*\n$/),
    });
  });

  it.concurrent.each<[string[], number, RegExp]>([
    [['--crawl', 'CC-TEST-2'], 1, /wat\.paths\.gz: no such file\. There is no crawl CC-TEST-2/],
    [['--crawl', 'CC-TEST-1', '--wats', '0:4'], 2, /CC-TEST-1 has 3 WAT files/],
    [['--crawl', 'CC-TEST-1', '--wats', '4:4'], 2, /Give FROM:TO/],
    [['--crawl', 'CC-TEST-1', '--sample', '0'], 2, /whole number of at least 1/],
    [['--crawl', 'CC-TEST-1', '--seed', '1'], 2, /'--seed' goes with '--sample'/],
    [['--crawl', '../x'], 2, /is no name of a crawl/],
    [['--crawl', 'CC-TEST-1', '--wat', 'x'], 2, /either '--wat' or '--crawl'/],
    [['--wat', 'x', '--sample', '1'], 2, /'--sample' goes with '--crawl'/],
    [[], 2, /give '--wat <file\.\.\.>' or '--crawl <name>'/],
    [['--wat', 'none/*.gz'], 1, /none\/\*\.gz: no such file\. The pattern matches nothing/],
    [['--wat', 'ftp://x/y'], 2, /give a path, http:\/\/, https:\/\/ or s3:\/\//],
  ])('says in one line what is wrong with %j, and writes nothing', async (args, code, problem) => {
    const base = args.includes('--crawl') ? ['--base-url', origin] : [];
    expect(await extract(...args, ...base, '--out', at('nothing'))).toEqual({
      code,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^gleaner: [^\\n]*${problem.source}[^\\n]*\\n$`)),
    });
    expect(await readdir(folder)).not.toContain('nothing');
  });
});
