import { expect, test } from 'vitest';
import { openStep, Parameters, Rng } from '../../examples/autodiff/index.ts';
import { type Batch, type HeadShape, trainingLoss } from '../../examples/train-embedded/head.ts';

const SHAPE: HeadShape = { features: 7, hidden: 5, dims: 4, tokens: 9 };
const SIZE = 6;
const build = trainingLoss(SHAPE, SIZE, { matched: 1, mismatched: 3 });

function smallBatch(rng: Rng): Batch {
  const noise = new Uint8Array(SIZE * SHAPE.features);
  rng.fill(noise);
  const counts = new Float32Array(SIZE * SHAPE.tokens);
  for (let row = 0; row < SIZE; row++) {
    for (const token of [1, 4, 5, 8]) counts[row * SHAPE.tokens + token] = rng.int(3);
    counts[row * SHAPE.tokens + (row % 4)] = 1; // no caption is empty
  }
  const positives = Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0));
  positives[2] = 1; // caption 0 fits picture 2 as well
  return {
    features: Float32Array.from({ length: SIZE * SHAPE.features }, () => rng.normal()),
    noise,
    counts,
    positives,
  };
}

test('the gradients of the training step are the slopes of its loss', async () => {
  const rng = new Rng(3);
  const parameters = new Parameters(3);
  const step = await openStep(build, parameters);
  // Starting values leave gradients at zero (the hidden layer's output) or at a cap: move them off.
  for (const { value } of parameters.all())
    for (let i = 0; i < value.length; i++) value[i]! += rng.normal(0.3);
  parameters.get('logScale').value[0] = 1.5;
  parameters.get('logSlope').value[0] = 1.2;
  const batch = smallBatch(rng);
  const loss = async () => (await step.run(batch)).loss;
  await loss();
  const gradients = new Map([...step.gradients].map(([name, gradient]) => [name, gradient.slice()]));
  expect(gradients.size).toBe(7);
  const delta = 4e-3;
  for (const { name, value: weights } of parameters.all()) {
    for (const i of rng.sample([...weights.keys()], 12)) {
      const value = weights[i]!;
      weights[i] = value + delta;
      const above = await loss();
      weights[i] = value - delta;
      const below = await loss();
      weights[i] = value;
      expect(gradients.get(name)![i], `${name}[${i}]`).toBeCloseTo((above - below) / (2 * delta), 2.5);
    }
  }
  await step.close();
});

test('a scale at its cap gets no gradient', async () => {
  const parameters = new Parameters(4);
  const step = await openStep(build, parameters);
  parameters.get('logScale').value[0] = 5; // e^5 = 148 > 60
  parameters.get('logSlope').value[0] = 4; // e^4 = 55 > 20
  await step.run(smallBatch(new Rng(5)));
  expect([...step.gradients.get('logScale')!, ...step.gradients.get('logSlope')!]).toEqual([0, 0]);
  await step.close();
});
