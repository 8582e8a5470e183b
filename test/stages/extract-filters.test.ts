import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FilterOptions, pairFilters } from '../../src/stages/filters/index.ts';

const NONE: FilterOptions = { minTextChars: 1, maxTextChars: null, minTextWords: 1 };

const files: Record<string, string | Uint8Array> = {};
async function* open(path: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(files[path] ?? '');
  // In small pieces: lines and characters are cut.
  for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
}

async function judge(options: Partial<FilterOptions>, url: string, text = 'a text'): Promise<string> {
  for (const filter of await pairFilters({ ...NONE, ...options }, open)) {
    const outcome = filter({ url, text });
    if (outcome) return outcome.reason;
  }
  return 'kept';
}

describe('text', () => {
  test('length in code points', async () => {
    const u = 'http://a/';
    expect(await judge({ minTextChars: 3 }, u, '😀😀')).toBe('text_short');
    expect(await judge({ minTextChars: 3 }, u, '😀😀😀')).toBe('kept');
    expect(await judge({ maxTextChars: 2 }, u, '😀😀')).toBe('kept');
    expect(await judge({ maxTextChars: 2 }, u, 'abc')).toBe('text_long');
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.nat(12),
        fc.nat(12),
        async (text, min, max) => {
          const n = [...text].length;
          const expected = n < min ? 'text_short' : n > max ? 'text_long' : 'kept';
          expect(await judge({ minTextChars: min, maxTextChars: max }, u, text)).toBe(expected);
        },
      ),
    );
  });

  test('words', async () => {
    expect(await judge({ minTextWords: 3 }, 'http://a/', 'two words')).toBe('text_short');
    expect(await judge({ minTextWords: 3 }, 'http://a/', 'now three words')).toBe('kept');
  });
});

test('length of the URL', async () => {
  expect(await judge({ maxUrlChars: 9 }, 'http://a/')).toBe('kept');
  expect(await judge({ maxUrlChars: 8 }, 'http://a/')).toBe('url_long');
});

test.each([
  ['http://a.svg/', 'kept'],
  ['http://a/b.SVG', 'url_extension'],
  ['http://a/b.svg?x=1.png', 'url_extension'],
  ['http://a/b.png?x=1.svg', 'kept'],
  ['http://a/b.svg/c', 'kept'],
  ['http://a/svg', 'kept'],
])('extension: %s %s', async (url, expected) => {
  expect(await judge({ refusedExtensions: ['svg', '.GIF'] }, url)).toBe(expected);
});

describe('blocklists', () => {
  const HOSTS = '# hosts\n\nExample.com # a shop\r\n.bücher.de\n*.cdn.net\n10.0.0.1';
  test.each([
    ['http://example.com/a', 'blocked_host'],
    ['http://www.EXAMPLE.com:8080/a', 'blocked_host'],
    ['http://notexample.com/a', 'kept'],
    ['http://example.com.org/', 'kept'],
    ['http://img.xn--bcher-kva.de/', 'blocked_host'],
    ['http://cdn.net/', 'blocked_host'],
    ['http://10.0.0.1/', 'blocked_host'],
    ['http://com/', 'kept'],
  ])('hosts, plain and gzip: %s %s', async (url, expected) => {
    files.hosts = HOSTS;
    files['hosts.gz'] = gzipSync(HOSTS);
    expect(await judge({ hostBlocklists: ['hosts'] }, url)).toBe(expected);
    expect(await judge({ hostBlocklists: ['hosts.gz'] }, url)).toBe(expected);
  });

  test('URLs', async () => {
    files.urls = 'HTTP://a.de/x y#part\nhttps://b.de/#not-a-comment';
    expect(await judge({ urlBlocklists: ['urls'] }, 'http://a.de/x%20y')).toBe('blocked_url');
    expect(await judge({ urlBlocklists: ['urls'] }, 'https://b.de/')).toBe('blocked_url');
    expect(await judge({ urlBlocklists: ['urls'] }, 'https://b.de/c')).toBe('kept');
  });

  test('what is no list', async () => {
    files.bad = 'a.de\nno host\n';
    await expect(judge({ hostBlocklists: ['bad'] }, 'http://a/')).rejects.toThrow(/bad.*line 2/);
    files['cut.gz'] = gzipSync('a.de\n'.repeat(99)).subarray(0, 18);
    await expect(judge({ hostBlocklists: ['cut.gz'] }, 'http://a/')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    });
  });

  test('many entries: all are found, others are not', async () => {
    const name = (i: number) => `h${i.toString(36)}.example${i % 97}.org`;
    files.many = Array.from({ length: 50_000 }, (_, i) => name(i)).join('\n');
    const [, filter] = await pairFilters({ ...NONE, hostBlocklists: ['many'] }, open);
    const blocked = (i: number) => filter?.({ url: `http://${name(i)}/`, text: '' }) !== undefined;
    let wrong = 0;
    for (let i = 0; i < 100_000; i++) if (blocked(i) !== i < 50_000) wrong++;
    expect(wrong).toBe(0);
  });
});
