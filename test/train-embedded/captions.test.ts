import { describe, expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import * as captions from '../../examples/train-embedded/captions.ts';
import { coloursOf } from '../../examples/train-embedded/colours.ts';
import type { Drawing } from '../../examples/train-embedded/drawings.ts';

const BOOT: Drawing = {
  set: 'noto',
  id: 'womans-boot',
  hex: '1f462',
  name: 'woman’s boot',
  cldrName: 'woman’s boot',
  keywords: ['boot', 'clothing', 'shoe'],
  group: 'Objects',
  concept: '1f462',
  svg: '',
};
const subject = captions.describe(BOOT, ['brown']);

describe('describe', () => {
  test('gives names as typed and as printed', () => {
    expect(subject.names).toEqual(["woman's boot", 'womans boot', 'woman’s boot']);
  });
});

describe('holds', () => {
  test.each([
    [{ kind: 'word', word: 'shoe', colour: null }, true],
    [{ kind: 'word', word: 'boot', colour: 'brown' }, true],
    [{ kind: 'word', word: 'boot', colour: 'red' }, false],
    [{ kind: 'word', word: 'hat', colour: null }, false],
    [{ kind: 'group', group: 'Objects' }, true],
    [{ kind: 'group', group: 'Flags' }, false],
  ] as const)('of %j is %j', (claim, expected) => {
    expect(captions.holds(claim, subject)).toBe(expected);
  });
});

describe('sayCaption', () => {
  const rng = new Rng(1);
  const said = Array.from({ length: 3000 }, () => captions.sayCaption(subject, 'blue', rng));

  test('says only what is so', () => {
    for (const { text, claim } of said) {
      expect(text).toMatch(/boot|shoe|clothing|object/);
      expect(text).not.toMatch(/\b(red|green|undefined|null)\b|\{/);
      if (claim !== null) expect(captions.holds(claim, subject)).toBe(true);
    }
  });

  test('mentions a plain background in a quarter of the captions', () => {
    const share = said.filter(({ text }) => text.includes('blue')).length / said.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
  });

  test('covers sentences such as those of alt texts', () => {
    const texts = said.map((c) => c.text);
    expect(texts).toContain("a drawing of a woman's boot");
    expect(
      texts.some((t) =>
        /^an? (drawing|illustration|picture|image|cartoon) of a wom.* on a blue background$/.test(t),
      ),
    ).toBe(true);
  });
});

test('coloursOf names what fills a good part of a drawing', () => {
  const pixels = [
    ...Array(60).fill([215, 45, 50, 255]),
    ...Array(40).fill([60, 130, 225, 255]),
    [0, 0, 0, 0],
  ];
  expect(coloursOf({ data: Uint8Array.from(pixels.flat()), width: 101, height: 1 })).toEqual(['red', 'blue']);
});
