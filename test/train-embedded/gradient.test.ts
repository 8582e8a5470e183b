import { expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { HEAD_KEYS, type HeadShape, newHead } from '../../examples/train-embedded/head.ts';
import { type Batch, openStepper } from '../../examples/train-embedded/stepper.ts';

const SHAPE: HeadShape = { features: 7, hidden: 5, dims: 4, tokens: 9 };
const SIZE = 6;

function smallBatch(rng: Rng): Batch {
  const tokenIds = [1, 4, 5, 8];
  const noise = new Uint8Array(SIZE * SHAPE.features);
  rng.fill(noise);
  const counts = Float32Array.from({ length: SIZE * tokenIds.length }, () => rng.int(3));
  for (let row = 0; row < SIZE; row++) counts[row * tokenIds.length + (row % 4)] = 1; // no caption is empty
  const positives = Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0));
  positives[2] = 1; // caption 0 fits picture 2 as well
  return {
    features: Float32Array.from({ length: SIZE * SHAPE.features }, () => rng.normal()),
    noise,
    tokenIds,
    counts,
    positives,
  };
}

test('the gradients of the training step are the slopes of its loss', async () => {
  const rng = new Rng(3);
  const head = newHead(SHAPE, rng);
  // Starting values leave gradients at zero (the hidden layer's output) or at a cap: move them off.
  for (const key of HEAD_KEYS) for (let i = 0; i < head[key].length; i++) head[key][i]! += rng.normal(0.3);
  head.logScale[0] = 1.5;
  head.logSlope[0] = 1.2;
  const batch = smallBatch(rng);
  const stepper = await openStepper(head, SHAPE, 4);
  const loss = async () => {
    const { contrastive, sigmoid } = await stepper.run(batch);
    return contrastive + sigmoid;
  };
  await loss();
  const gradients = Object.fromEntries(HEAD_KEYS.map((key) => [key, stepper.gradients[key].slice()]));
  const step = 4e-3;
  for (const key of HEAD_KEYS) {
    const weights = head[key];
    for (const i of rng.sample([...weights.keys()], 12)) {
      const value = weights[i]!;
      weights[i] = value + step;
      const above = await loss();
      weights[i] = value - step;
      const below = await loss();
      weights[i] = value;
      expect(gradients[key]![i], `${key}[${i}]`).toBeCloseTo((above - below) / (2 * step), 2.5);
    }
  }
});

test('a scale at its cap gets no gradient', async () => {
  const head = newHead(SHAPE, new Rng(4));
  head.logScale[0] = 5; // e^5 = 148 > 60
  head.logSlope[0] = 4; // e^4 = 55 > 20
  const stepper = await openStepper(head, SHAPE, 1);
  await stepper.run(smallBatch(new Rng(5)));
  expect([...stepper.gradients.logScale, ...stepper.gradients.logSlope]).toEqual([0, 0]);
});
