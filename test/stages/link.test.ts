import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WatPage } from '../../src/formats/index.ts';
import { pageBase, resolveImage } from '../../src/stages/link.ts';

const page = (url: string, base?: string): WatPage => ({
  url,
  base,
  links: [],
  headLinks: [],
  metas: [],
  mayNameLicense: false,
});

/** What the standard's parser says, and nothing else. */
function byTheBook(url: string, base: string): string | undefined {
  const parsed = URL.parse(url, base);
  if (!parsed || url.trim() === '' || !/^https?:$/.test(parsed.protocol)) return undefined;
  parsed.hash = '';
  return parsed.href;
}

const ours = (url: string, base: string) => {
  const outcome = resolveImage(url, pageBase(page(base)));
  return outcome.kept ? outcome.value : undefined;
};

describe('a URL is what the WHATWG parser makes of it', () => {
  const piece = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom('a', 'b-c', 'img', '1', '0x7', 'xn--bcher-kva', 'xn--a', 'Ä', 'COM'),
    },
    fc.constantFrom(
      '.',
      '..',
      '%2e',
      '%2E',
      '.%2e',
      '%',
      '%zz',
      '',
      ' ',
      '\t',
      '\n',
      '^',
      '|',
      "'",
      '"',
      '<',
      '`',
      '{',
    ),
    fc.constantFrom(
      '\\',
      '@',
      ':',
      ':80',
      ':443',
      '?',
      '#',
      '&',
      '=',
      '+',
      '~',
      '$',
      '!',
      '(',
      ')',
      '*',
      ',',
      ';',
      '[',
      ']',
    ),
    fc.string({ unit: 'binary', maxLength: 2 }),
  );
  const text = (separator: string) => fc.array(piece, { maxLength: 5 }).map((parts) => parts.join(separator));
  const url = fc
    .tuple(
      fc.constantFrom(
        'http://',
        'https://',
        'HTTP://',
        'https:/',
        '//',
        '/',
        '',
        'ftp://',
        'data:',
        '?',
        './',
        '../',
      ),
      text('.'),
      fc.constantFrom('', '.com', '.de/', '.info/', '.museum', '.1', '.xn--p1ai'),
      text('/'),
      fc.constantFrom('', '.jpg', '?q=', '/', '?a=b&c=%20', '?x=y/z?'),
      text(''),
    )
    .map((parts) => parts.join(''));
  const bases = fc.constantFrom(
    'http://example.org/a/b?c',
    'https://user:pw@host.net:8443/x/',
    'http://1.2.3/',
    'ftp://f.org/a',
  );

  test('whatever it is made of', () => {
    fc.assert(
      fc.property(url, bases, (image, base) => {
        expect(ours(image, base)).toBe(byTheBook(image, base));
      }),
      { numRuns: 4000 },
    );
  });

  test.each([
    ['http://a.example.com/x/y.jpg', 'http://a.example.com/x/y.jpg'],
    ['/x/../y.jpg', 'http://example.org/y.jpg'],
    ['/x/%2E%2e/y.jpg', 'http://example.org/y.jpg'],
    ['//cdn.example.net/y.jpg', 'http://cdn.example.net/y.jpg'],
    ['/x//y.jpg?size=1,2', 'http://example.org/x//y.jpg?size=1,2'],
    ['https://EXAMPLE.org/Y.jpg#top', 'https://example.org/Y.jpg'],
    ['https://1.2/y.jpg', 'https://1.0.0.2/y.jpg'],
  ])('%s', (image, expected) => {
    expect(ours(image, 'http://example.org/a/b')).toBe(expected);
  });
});

test('a base element of another scheme than http is no origin for paths', () => {
  expect(resolveImage('/y.jpg', pageBase(page('http://a.org/', 'ftp://b.org/c/')))).toMatchObject({
    kept: false,
    reason: 'url_scheme',
  });
  const base = pageBase(page('http://a.org/', '//b.org/c/'));
  expect(resolveImage('/y.jpg', base)).toEqual({ kept: true, value: 'http://b.org/y.jpg' });
});
