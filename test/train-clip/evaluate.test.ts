import { describe, expect, it } from 'vitest';
import { ClassFinder } from '../../examples/train-clip/classes.ts';
import { type Embedder, evaluate } from '../../examples/train-clip/evaluate.ts';

const CLASSES = [
  { name: 'owl', noun: 'an owl', group: 'animals' },
  { name: 'snowy owl', noun: 'a snowy owl', group: 'animals' },
  { name: 'red apple', noun: 'a red apple', group: 'food' },
];

/** Pictures that are what their first pixel says, in a plane of four directions; captions by hand. */
function embedderOf(captions: Readonly<Record<string, readonly number[]>>): Embedder {
  const unit = (values: readonly number[]) => {
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };
  return {
    dimension: 2,
    images: async (planes) =>
      Float32Array.from([...planes].flatMap((angle) => [Math.cos(angle), Math.sin(angle)])),
    texts: async (texts) => Float32Array.from(texts.flatMap((text) => unit(captions[text] ?? [1, 0]))),
  };
}

describe('ClassFinder', () => {
  const finder = new ClassFinder(CLASSES);
  it.each([
    ['This is a picture of a snowy owl, something about owl', 'snowy owl'],
    ['an Owl beside a fowl', 'owl'],
    ['fowls', undefined],
    ['a drawing of a red apple: red apple and food', 'red apple'],
  ])('%s', (caption, name) => expect(finder.find(caption)?.name).toBe(name));
});

describe('evaluate', () => {
  it('counts ranks both ways, and does not hold equal captions against each other', async () => {
    // Pictures at 0, 1 and 2 radians; the captions of the first and the last are one, and lie at 0.
    const embedder = embedderOf({ a: [1, 0], b: [Math.cos(1), Math.sin(1)] });
    const pairs = { images: Uint8Array.of(0, 1, 2), texts: ['a', 'b', 'a'], keys: ['0', '1', '2'] };
    const { retrieval } = await evaluate(embedder, pairs);
    // a finds picture 0; b finds 1; the second a has picture 1 before its own.
    expect(retrieval.textToImage).toMatchObject({ queries: 3, at1: 66.7, at5: 100 });
    // Picture 0 → a, 1 → b, 2 → b before its own a.
    expect(retrieval.imageToText).toMatchObject({ at1: 66.7, at5: 100 });
    expect(retrieval.chance).toEqual({ at1: 33.3, at5: 100, at10: 100 });
  });

  it('takes what cannot be told apart for wrong', async () => {
    const pairs = {
      images: Uint8Array.of(0, 0, 0, 0),
      texts: ['a', 'b', 'c', 'd'],
      keys: ['0', '1', '2', '3'],
    };
    const { retrieval } = await evaluate(embedderOf({}), pairs);
    expect([retrieval.textToImage.at1, retrieval.imageToText.at1]).toEqual([0, 0]);
  });

  it('classifies by names and groups, and tells classes of the training from others', async () => {
    const prompts = (noun: string, at: readonly number[]) =>
      Object.fromEntries(
        [
          `this is a drawing of ${noun}`,
          `a picture of ${noun}`,
          `an illustration of ${noun} on a white background`,
        ].map((prompt) => [prompt, at]),
      );
    const groups = (group: string, at: readonly number[]) => ({
      [`this is an illustration, one of the ${group}`]: at,
      [`this is a drawing from the ${group}`]: at,
    });
    const embedder = embedderOf({
      ...{
        ...prompts('an owl', [0, 1]),
        ...prompts('a snowy owl', [-1, 0]),
        ...prompts('a red apple', [1, 0]),
      },
      ...{ ...groups('animals', [-1, 1]), ...groups('food', [1, -0.2]) },
    });
    // At 0 an apple; at 2 radians, nearer to the owl than to the snowy owl, whose class it is said to be.
    const pairs = { images: Uint8Array.of(0, 2), texts: ['a red apple', 'a snowy owl'], keys: ['0', '1'] };
    const known = { classes: CLASSES, finder: new ClassFinder(CLASSES), seen: new Set(CLASSES.slice(2)) };
    const { names, namesSeen, groups: wide, seen, unseen } = await evaluate(embedder, pairs, known);
    expect(names).toEqual({ pictures: 2, classes: 3, top1: 50, top5: 100, chance1: 33, majority: 50 });
    expect(namesSeen).toMatchObject({ pictures: 1, top1: 100 });
    expect(wide).toMatchObject({ pictures: 2, classes: 2, top1: 100, chance1: 50 });
    expect([seen?.textToImage.queries, unseen?.textToImage.queries]).toEqual([1, 1]);
  });
});
