import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conditionsOf } from '../../web/src/conditions.ts';
import { boxesWithin, justify, neighbour } from '../../web/src/justify.ts';
import {
  isSample,
  NO_FILTERS,
  NOTHING,
  type Part,
  type Place,
  placeAddress,
  readPlace,
  readTyped,
  SHAPES,
  withExample,
  withPart,
} from '../../web/src/search.ts';

/** What an address can hold: words have nothing around them, and a value nothing that is no Unicode. */
const words = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.toWellFormed().trim());
const someWords = words.filter((text) => text !== '' && !text.startsWith('-'));
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constant('words' as const), words: someWords, less: fc.boolean() }),
  fc.record({ kind: fc.constant('row' as const), id: fc.nat(), less: fc.boolean() }),
  fc.record({ kind: fc.constant('picture' as const), key: fc.constant('0a1b2c3d-512'), less: fc.boolean() }),
  fc.record({ kind: fc.constant('web' as const), url: fc.webUrl(), less: fc.boolean() }),
);
const list = fc.uniqueArray(words, { maxLength: 4 });
const place: fc.Arbitrary<Place> = fc.record({
  search: fc
    .record({
      words,
      parts: fc.array(part, { maxLength: 8 }),
      keywords: words,
      byText: fc.boolean(),
      seed: fc.nat(),
    })
    // A seed is of a sample, and of nothing else.
    .map((search) => (isSample(search) ? search : { ...search, seed: 0 })),
  filters: fc.record({
    ...{ language: list, license: list, host: list, nsfw: list },
    side: fc.option(fc.integer({ min: 1, max: 9999 })),
    shape: fc.option(fc.constantFrom(...SHAPES)),
    match: fc.option(fc.integer({ min: 1, max: 100 }).map((n) => n / 100)),
  }),
  nsfw: fc.boolean(),
  duplicates: fc.boolean(),
  open: fc.option(fc.nat()),
});

describe('places of the search page', () => {
  test('an address brings the same place back', () => {
    fc.assert(
      fc.property(place, (there) => {
        expect(readPlace(placeAddress(there).slice(1))).toEqual(there);
      }),
    );
    expect(placeAddress(readPlace(''))).toBe('/');
    expect(placeAddress(readPlace('?q=red+apple&like=-12&lang=en&lang=de&shape=tall&dup=1&id=3'))).toBe(
      '/?q=red+apple&like=-12&lang=en&lang=de&shape=tall&dup=1&id=3',
    );
  });

  test('any text is some address', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const read = readPlace(`?${text}`);
        expect(readPlace(placeAddress(read).slice(1))).toEqual(read);
      }),
    );
  });

  test.each([
    ['red apple', 'red apple', []],
    ['beach -people', 'beach', ['people']],
    ['beach -"palm tree" -people sand', 'beach sand', ['palm tree', 'people']],
    ['-people', '', ['people']],
    ['t-shirt, x-ray -', 't-shirt, x-ray -', []],
    ['at -5 degrees', 'at -5 degrees', []],
    ['Strand -Möwe', 'Strand', ['Möwe']],
  ])('%j is read as words and what there should be less of', (typed, expected, less) => {
    const read = readTyped(typed);
    expect(read.words).toBe(expected);
    expect(read.parts).toEqual(less.map((one) => ({ kind: 'words', words: one, less: true })));
  });

  test('an address of http alone is a picture to fetch', () => {
    const url = 'https://images.example/a b.jpg'.replace(' ', '%20');
    expect(readTyped(` ${url} `)).toEqual({ words: '', parts: [{ kind: 'web', url, less: false }] });
    expect(readTyped('javascript:alert(1)').parts).toEqual([]);
    expect(readTyped(`${url} red`).parts).toEqual([]);
  });

  test('an example takes the place of examples; a part is there once', () => {
    const like = (id: number, less = false): Part => ({ kind: 'row', id, less });
    const search = { ...NOTHING, words: 'red', parts: [like(1), like(2, true)] };
    const picture: Part = { kind: 'picture', key: '0a1b2c3d-512', less: false };
    expect(withExample(search, picture)).toEqual({ ...search, parts: [like(2, true), picture] });
    expect(withPart(search, like(2)).parts).toEqual([like(1), like(2)]);
  });

  test('conditions are those of the service, and none are left out', () => {
    expect(conditionsOf(NO_FILTERS)).toBeUndefined();
    expect(
      conditionsOf({ ...NO_FILTERS, language: ['en'], side: 512, shape: 'square', match: 0.35 }),
    ).toEqual({
      language: ['en'],
      width: { min: 512 },
      height: { min: 512 },
      aspect: { min: 0.8, max: 1.25 },
      similarity: { min: 0.35 },
    });
  });
});

describe('justified rows', () => {
  const ratios = fc.array(fc.double({ min: 0.05, max: 20, noNaN: true }), { maxLength: 60 });

  test('boxes within a stretch are those that reach into it', () => {
    fc.assert(
      fc.property(ratios, fc.integer({ min: -500, max: 5000 }), fc.nat(3000), (some, top, height) => {
        const { boxes } = justify(some, 1000, 200);
        const [from, to] = boxesWithin(boxes, top, top + height);
        const expected = boxes.flatMap((box, i) =>
          box.top + box.height >= top && box.top <= top + height ? [i] : [],
        );
        expect(Array.from({ length: to - from }, (_, i) => from + i)).toEqual(expected);
      }),
    );
  });

  test('down and up lead to the row below and above, and stay where there is none', () => {
    fc.assert(
      fc.property(ratios, fc.nat(59), (some, at) => {
        const { boxes } = justify(some, 1000, 200);
        const from = Math.min(at, boxes.length - 1);
        const box = boxes[from];
        if (!box) return;
        const below = boxes[neighbour(boxes, from, 'down')];
        const last = boxes.at(-1);
        expect(below?.row).toBe(Math.min(box.row + 1, last?.row ?? 0));
        expect(boxes[neighbour(boxes, from, 'up')]?.row).toBe(Math.max(0, box.row - 1));
      }),
    );
  });
});
