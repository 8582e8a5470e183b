import { expect, test } from 'vitest';
import { exampleOf } from '../../examples/train-embedded/dataset.ts';
import { loadDrawings } from '../../examples/train-embedded/drawings.ts';
import { areaUnderCurve, type Embedder, evaluate } from '../../examples/train-embedded/evaluate.ts';

test('areaUnderCurve counts pairs in the right order, ties as half', () => {
  expect(areaUnderCurve([0.9, 0.8], [0.1, 0.2])).toBe(1);
  expect(areaUnderCurve([0.5], [0.5])).toBe(0.5);
  expect(areaUnderCurve([3, 1], [2, 0])).toBe(0.75); // 3 of 4 pairs
});

test('an encoder that tells all pictures by their order finds all; one that gives one answer finds none', async () => {
  const examples = loadDrawings('fxemoji').slice(0, 30).map(exampleOf);
  const gallery = { examples, pixels: new Float32Array(30 * 3 * 64 * 64), heldOut: new Set<string>() };
  const oneHot = (count: number) => {
    const rows = new Float32Array(count * 30);
    for (let i = 0; i < count; i++) rows[i * 30 + (i % 30)] = 1;
    return rows;
  };
  const perfect: Embedder = {
    dims: 30,
    images: async () => oneHot(30),
    texts: async (texts) => oneHot(texts.length),
  };
  const measured = await evaluate(perfect, gallery);
  expect(measured.textToImage).toEqual({ at1: 100, at5: 100, at10: 100 });
  expect(measured.pairs).toMatchObject({ kept: 100, meanMatched: 1 });
  const constant = (count: number) => new Float32Array(count * 30).fill(1 / Math.sqrt(30));
  const dull: Embedder = {
    dims: 30,
    images: async () => constant(30),
    texts: async (texts) => constant(texts.length),
  };
  const measuredDull = await evaluate(dull, gallery);
  expect(measuredDull.textToImage.at10).toBe(0);
  expect(measuredDull.pairs.auc).toBe(0.5);
});
