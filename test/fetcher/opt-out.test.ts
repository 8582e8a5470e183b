import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createWebSource, OptOut, readOptOut } from '../../src/fetcher/index.ts';
import { serve, webSource } from './servers.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const ENTRIES = [
  'example.com',
  '.dotted.example',
  'https://example.org/private/',
  'https://example.org/private/deeper/',
  'http://Example.NET:8080/a?x=',
  sha256('https://example.edu/one.jpg'),
  sha256('https://example.edu/%C3%BC.jpg').toUpperCase(),
];

const CASES: readonly [string, boolean][] = [
  ['http://example.com/a.png', true],
  ['https://img.example.com:8443/a.png', true],
  ['https://example.com./a.png', true],
  ['https://a.dotted.example/', true],
  ['https://example.org/private/a.png', true],
  ['https://example.org/private/deeper/a.png', true],
  ['https://example.org/private/zzz.png', true],
  ['http://example.net:8080/a?x=1', true],
  ['https://example.edu/one.jpg', true],
  ['https://example.edu/one.jpg#part', true],
  ['https://example.edu/ü.jpg', true],
  ['https://notexample.com/a.png', false],
  ['https://com/', false],
  ['https://example.org/private', false],
  ['https://example.org/public/a.png', false],
  ['http://example.org/private/a.png', false],
  ['http://example.net:8080/a?y=1', false],
  ['http://example.net/a?x=1', false],
  ['https://example.edu/two.jpg', false],
  ['http://example.edu/one.jpg', false],
];

/** No name resolves: whatever is not opted out comes as far as that. */
const nowhere = { resolve: async () => [] };

describe('opt-out', () => {
  it.each(CASES)('%s: %s', async (url, out) => {
    const result = await webSource([], { optOut: ENTRIES, ...nowhere }).get(url);
    expect(result).toMatchObject({ kept: false, reason: out ? 'opt_out' : 'dns' });
  });

  it.each([
    ['plain', (text: string) => Buffer.from(text)],
    ['gzip', (text: string) => gzipSync(text)],
  ])('lists: %s', async (_, pack) => {
    const files = new Map([
      ['one', pack(`# hosts\r\n${ENTRIES.slice(0, 2).join('\r\n')}\r\n`)],
      ['two', pack(`${ENTRIES.slice(2).join('  # why\n')}\n\n`)],
    ]);
    async function* open(path: string) {
      yield files.get(path) ?? Buffer.alloc(0);
    }
    const optOut = await readOptOut(['one', 'two'], open);
    for (const [url, out] of CASES) {
      const parsed = new URL(url);
      parsed.hash = '';
      expect([url, optOut.has(parsed)]).toEqual([url, out]);
    }
    expect(await webSource([], { optOut, ...nowhere }).get('http://example.com/')).toMatchObject({
      reason: 'opt_out',
    });
  });

  it('of many prefixes the right one is found', () => {
    const optOut = new OptOut();
    for (let i = 0; i < 2000; i++) optOut.add(`https://h.example/${i * 7}/`);
    const found = Array.from({ length: 14_000 }, (_, i) => i).filter((i) =>
      optOut.has(new URL(`https://h.example/${i}/a.png`)),
    );
    expect(found).toEqual(Array.from({ length: 2000 }, (_, i) => i * 7));
  });

  it('a line that is no entry is named', async () => {
    async function* open() {
      yield Buffer.from('example.com\nftp://example.org/\n');
    }
    await expect(readOptOut(['list.txt'], open)).rejects.toThrow(/list\.txt.*line 2.*ftp:/);
  });

  it('holds for redirects', async () => {
    const server = await serve((_, response) => {
      response.writeHead(302, { location: 'http://example.com/' }).end();
    });
    expect(await webSource([server], { optOut: ENTRIES }).get(server.origin)).toMatchObject({
      reason: 'opt_out',
    });
  });

  it('nothing is asked, robots.txt neither', async () => {
    const source = webSource([], { optOut: ENTRIES, respectRobots: true, ...nowhere });
    await source.get('http://example.com/a.png');
    expect(source.stats.requests).toBe(0);
  });

  it.each(['', 'ftp://example.com/', 'example.com/path', 'a:80'])('%j is wrong usage', (entry) => {
    expect(() => createWebSource({ contact: 'a@b.example', optOut: [entry] })).toThrow(/optOut/);
  });
});
