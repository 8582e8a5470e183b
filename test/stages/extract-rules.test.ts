import { describe, expect, test } from 'vitest';
import { parseWat } from '../../src/formats/index.ts';
import { linkRules } from '../../src/stages/rules/index.ts';

function find(names: readonly string[], html: object) {
  const envelope = {
    Envelope: { 'Payload-Metadata': { 'HTTP-Response-Metadata': { 'HTML-Metadata': html } } },
  };
  const page = parseWat(Buffer.from(JSON.stringify(envelope)));
  if (!page.kept) throw new Error(page.reason);
  return linkRules(names)(page.value).map(({ url, alt }) => [url, alt]);
}

test('attributes, in the order of the rules', () => {
  const html = {
    Links: [
      { path: 'IMG@/data-src', url: 'lazy', alt: 'x' },
      { path: 'IMG@/src', url: 'a', alt: 'y' },
      { path: 'IMG@/longdesc', url: 'no' },
    ],
  };
  expect(find(['IMG@/src'], html)).toEqual([['a', 'y']]);
  expect(find(['IMG@/src', 'IMG@/data-src'], html)).toEqual([
    ['a', 'y'],
    ['lazy', 'x'],
  ]);
});

// The candidates of the examples in HTML, 4.8.4.2.1 and 4.8.4.3.8.
test.each([
  ['a.png 1x, b.png 2x', 'b.png'],
  ['large.jpg 1024w, medium.jpg 640w,small.jpg 320w', 'large.jpg'],
  ['only.png', 'only.png'],
  ['a,b.png 1.5x, c.png', 'a,b.png'],
  ['a.png, b.png', 'a.png'],
  ['  ,a.png 100w 50h ,\n b.png 200w 100h', 'b.png'],
  ['', ''],
])('srcset %j: %s', (srcset, url) => {
  expect(find(['IMG@/srcset'], { Links: [{ path: 'IMG@/srcset', url: srcset, alt: 'x' }] })).toEqual([
    [url, 'x'],
  ]);
});

describe('og:image', () => {
  const metas = (...pairs: [string, string][]) => ({
    Head: { Metas: pairs.map(([property, content]) => ({ property, content })) },
  });
  test('with the title, or else the description', () => {
    const image: [string, string] = ['og:image', 'http://a/i.png'];
    expect(find(['og:image'], metas(['og:description', 'd'], image, ['og:title', 't']))).toEqual([
      [image[1], 't'],
    ]);
    expect(find(['og:image'], metas(image, ['og:title', ' '], ['og:description', 'd']))).toEqual([
      [image[1], 'd'],
    ]);
    expect(find(['og:image'], metas(image))).toEqual([[image[1], undefined]]);
    expect(find(['og:image'], metas(['og:title', 't']))).toEqual([]);
  });
  test('an alt belongs to the image before it; the secure address is the same image', () => {
    expect(
      find(
        ['og:image'],
        metas(
          ['og:title', 't'],
          ['og:image', 'a'],
          ['og:image:secure_url', 'b'],
          ['og:image:alt', 'x'],
          ['og:image', 'c'],
        ),
      ),
    ).toEqual([
      ['a', 'x'],
      ['c', 't'],
    ]);
    expect(find(['og:image'], metas(['og:image:url', 'a']))).toEqual([['a', undefined]]);
  });
});
