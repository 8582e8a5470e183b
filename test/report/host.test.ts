import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostOf } from '../../src/stages/report/host.ts';

/** What the URL standard says, by Node's own parser. */
const byStandard = (url: string) => URL.parse(url)?.host ?? '';
const host = (url: string) => hostOf(Buffer.from(url));

test.each([
  'https://images.example.com/a.jpg',
  'http://example.com',
  'https://example.com?q=//other.example/',
  'https://example.com#a',
  'https://example.com:443/a',
  'https://example.com:8443/a',
  'https://user:secret@example.com/a',
  'https://EXAMPLE.com/a',
  'https://127.1/a',
  'https://0x7f.1/a',
  'https://a.0/',
  'https://[::1]/a',
  'https://xn--maana-pta.com/a',
  'https://xn--a/',
  'https://mañana.com/a',
  'https://example.com./a',
  'https://a..b/',
  'https://-a-.b/',
  'https://a_b.c/',
  'https://a%62c.d/',
  'https:///a',
  'https://',
  'ftp://example.com/a',
  'data:image/png,',
  '',
])('the host of %s', (url) => {
  expect(host(url)).toBe(byStandard(url));
});

test('the host of any URL is that of the URL standard', () => {
  const scheme = fc.constantFrom('http://', 'https://', 'HTTPS://', 'http:', 'ftp://');
  const chars = (all: string) =>
    fc.array(fc.constantFrom(...all), { maxLength: 12 }).map((some) => some.join(''));
  const url = fc.tuple(scheme, chars('ab09-x.'), chars('ab09-x.:@%/?#_[]Aé')).map((parts) => parts.join(''));
  const property = fc.property(url, (given) => {
    expect(host(given)).toBe(byStandard(given));
  });
  fc.assert(property, { numRuns: 5_000 });
});
