import { expect, it } from 'vitest';
import { openStep, Parameters } from '../../examples/autodiff/index.ts';
import { learnTokens, tokensOf } from '../../examples/train-clip/captions.ts';
import { clip } from '../../examples/train-clip/model.ts';
import { TINY } from './made-model.ts';
import { madePairs } from './made-pictures.ts';

it('the gradient of the loss by every weight is its slope, with the graph optimised and as written', async () => {
  const size = { ...TINY, width: 4, textWidth: 4, dimension: 6 };
  const pairs = madePairs(6, size.side);
  const encoder = learnTokens(pairs.texts, size.merges);
  const parameters = new Parameters(5);
  const feeds = { pixels: pairs.images, ...tokensOf(encoder, pairs.texts) };
  const open = (asWritten: boolean) =>
    openStep((graph) => clip(graph, 6, encoder.size, size), parameters, { threads: 1, asWritten });
  const [step, plain] = [await open(false), await open(true)];
  // Away from where weights begin: rectifiers of an untrained network stand at their corner where biases are zero.
  for (const { value } of parameters.all())
    for (let i = 0; i < value.length; i++) value[i]! += 0.05 * Math.sin(1 + 7 * i);
  await step.run(feeds);
  await plain.run(feeds);
  const gradients = new Map([...step.gradients].map(([name, value]) => [name, value.slice()]));
  expect(gradients.size).toBe(parameters.all().length);
  for (const { name, value } of parameters.all()) {
    const gradient = gradients.get(name)!;
    const length = Math.hypot(...gradient);
    expect(length, name).toBeGreaterThan(0);
    const apart = gradient.map((g, i) => g - plain.gradients.get(name)![i]!);
    expect(Math.hypot(...apart) / length, name).toBeLessThan(1e-4);
    // Along its gradient the loss rises as fast as the gradient is long; along one that is wrong anywhere, less.
    const start = value.slice();
    const lossAt = async (distance: number) => {
      for (let i = 0; i < value.length; i++) value[i] = start[i]! + (distance * gradient[i]!) / length;
      return (await step.run(feeds)).loss;
    };
    const h = Math.min(0.02, 0.01 / length);
    const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    value.set(start);
    expect(Math.abs(slope / length - 1), `${name}: ${length}, slope ${slope}`).toBeLessThan(0.02);
  }
  await step.close();
  await plain.close();
});
