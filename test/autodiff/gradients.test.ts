import { describe, expect, it } from 'vitest';
import {
  attention,
  causalMask,
  concat,
  conv2d,
  crossEntropy,
  type Feeds,
  type Graph,
  gather,
  layerNorm,
  linear,
  normal,
  normalize,
  ones,
  openStep,
  Parameters,
  quickGelu,
  Rng,
  type Tensor,
  transformer,
} from '../../examples/autodiff/index.ts';

type Build = (graph: Graph) => Tensor;

/** A weight whose values are away from zero, where relu and abs have a corner. */
const weight = (graph: Graph, name: string, ...shape: number[]) =>
  graph.parameter(name, shape, (value, _, rng) => {
    for (let i = 0; i < value.length; i++) value[i] = (rng.chance(0.5) ? 1 : -1) * rng.uniform(0.3, 1.2);
  });
const positive = (graph: Graph, name: string, ...shape: number[]) =>
  graph.parameter(name, shape, (value, _, rng) => {
    for (let i = 0; i < value.length; i++) value[i] = rng.uniform(0.5, 1.5);
  });

/** A loss whose slope by each element of the output is another number. */
const spread = (y: Tensor): Tensor =>
  y
    .mul(
      y.graph.constant(
        Float32Array.from({ length: y.size }, (_, i) => Math.sin(1 + 2 * i)),
        y.shape,
      ),
    )
    .sumAll();

const cases: Record<string, Build> = {
  'add, with broadcasting': (g) => weight(g, 'a', 2, 3).add(weight(g, 'b', 3)),
  'sub, with broadcasting': (g) => weight(g, 'a', 3).sub(weight(g, 'b', 2, 1)),
  'mul, of itself too': (g) =>
    weight(g, 'a', 2, 3)
      .mul(weight(g, 'b', 1, 3))
      .mul(weight(g, 'a', 2, 3)),
  div: (g) => weight(g, 'a', 2, 3).div(positive(g, 'b', 3)),
  'numbers beside tensors': (g) => weight(g, 'a', 4).mul(3).add(1).div(2).sub(5),
  exp: (g) => weight(g, 'a', 4).exp(),
  log: (g) => positive(g, 'a', 4).log(),
  sqrt: (g) => positive(g, 'a', 4).sqrt(),
  relu: (g) => weight(g, 'a', 6).relu(),
  tanh: (g) => weight(g, 'a', 4).tanh(),
  sigmoid: (g) => weight(g, 'a', 4).sigmoid(),
  softplus: (g) => weight(g, 'a', 4).softplus(),
  abs: (g) => weight(g, 'a', 4).abs(),
  atMost: (g) => weight(g, 'a', 8).atMost(0.1),
  'matMul by a matrix': (g) => weight(g, 'a', 2, 3, 4).matMul(weight(g, 'b', 4, 2)),
  'matMul of batches': (g) => weight(g, 'a', 2, 3, 4).matMul(weight(g, 'b', 2, 4, 2)),
  'matMul of one for all': (g) => weight(g, 'a', 1, 3, 4).matMul(weight(g, 'b', 2, 4, 2)),
  transpose: (g) => weight(g, 'a', 2, 3, 4).transpose([2, 0, 1]),
  reshape: (g) => weight(g, 'a', 2, 6).reshape([3, -1]),
  slice: (g) => weight(g, 'a', 2, 5).slice(1, 1, 3),
  'slice to the end, then a sum': (g) => weight(g, 'a', 2, 5).slice(1, 2, 5).sum(1),
  'slice from the start, then a mean': (g) => weight(g, 'a', 2, 5).slice(1, 0, 2).mean(0, 1),
  concat: (g) => concat([weight(g, 'a', 2, 1), weight(g, 'b', 2, 3)], 1),
  expand: (g) => weight(g, 'a', 2, 1).expand([3, 2, 4]),
  sum: (g) => weight(g, 'a', 2, 3, 2).sum(0, 2),
  mean: (g) => weight(g, 'a', 2, 3, 2).mean(-1),
  softmax: (g) => weight(g, 'a', 2, 4).softmax(),
  logSoftmax: (g) => weight(g, 'a', 2, 4).logSoftmax(),
  quickGelu: (g) => quickGelu(weight(g, 'a', 5)),
  normalize: (g) => normalize(weight(g, 'a', 2, 3)),
  layerNorm: (g) => layerNorm(weight(g, 'a', 3, 5), 'norm'),
  'gather, the same row twice': (g) => gather(weight(g, 'a', 4, 3), g.integers([2, 0, 2, 1], [2, 2])),
  crossEntropy: (g) => crossEntropy(weight(g, 'a', 3, 4), g.integers([1, 3, 1])),
  conv2d: (g) => conv2d(weight(g, 'a', 2, 3, 5, 4), weight(g, 'b', 2, 3, 3, 3), { padding: 1 }),
  'conv2d with a stride that leaves a rest': (g) =>
    conv2d(weight(g, 'a', 2, 2, 6, 5), weight(g, 'b', 3, 2, 3, 3), { padding: 1, stride: 2 }),
  'conv2d with a stride and no padding': (g) =>
    conv2d(weight(g, 'a', 1, 2, 6, 6), weight(g, 'b', 3, 2, 2, 2), { stride: 2 }),
  linear: (g) => linear(weight(g, 'a', 2, 3, 4), 'linear', 3, 1),
  'attention with a mask': (g) => {
    const x = weight(g, 'a', 2, 3, 4);
    return attention(x, 'attention', { heads: 2, mask: causalMask(x, 3), outDeviation: 0.5 });
  },
  transformer: (g) => transformer(weight(g, 'a', 2, 3, 4), 'encoder', { layers: 2, heads: 2 }),
};

/** Slopes of the loss by up to `most` elements of each weight, by central differences. */
async function compare(build: Build, feeds: Feeds = {}, most = 12): Promise<void> {
  const parameters = new Parameters(7);
  const open = (asWritten: boolean) =>
    openStep((graph) => ({ loss: spread(build(graph)) }), parameters, { threads: 1, asWritten });
  const [step, plain] = [await open(false), await open(true)];
  await step.run(feeds);
  await plain.run(feeds);
  const gradients = new Map([...step.gradients].map(([name, value]) => [name, value.slice()]));
  const rng = new Rng(1);
  const h = 4e-3;
  for (const { name, value } of parameters.all()) {
    const gradient = gradients.get(name)!;
    const scale = Math.max(1, ...gradient.map(Math.abs));
    for (const i of rng.sample([...value.keys()], most)) {
      const start = value[i]!;
      value[i] = start + h;
      const [high, above] = [value[i]!, (await step.run(feeds)).loss];
      value[i] = start - h;
      const [low, below] = [value[i]!, (await step.run(feeds)).loss];
      value[i] = start;
      const slope = (above - below) / (high - low);
      expect(
        Math.abs(gradient[i]! - slope) / scale,
        `${name}[${i}]: ${gradient[i]}, slope ${slope}`,
      ).toBeLessThan(5e-3);
      expect(Math.abs(gradient[i]! - plain.gradients.get(name)![i]!) / scale).toBeLessThan(1e-5);
    }
  }
  await step.close();
  await plain.close();
}

describe('gradients are the slopes of the loss, with the graph optimised and as written', () => {
  for (const [name, build] of Object.entries(cases)) it(name, () => compare(build));
});

it('adds up gradients that come by two ways', async () => {
  // f = Σ sᵢ (a² + a·b), by hand: ∂a = s (2a + b), ∂b = s a
  const parameters = new Parameters(1);
  parameters.put('a', [2], Float32Array.of(1, -2));
  parameters.put('b', [2], Float32Array.of(3, 5));
  const step = await openStep((g) => {
    const [a, b] = [g.parameter('a', [2], normal(1)), g.parameter('b', [2], normal(1))];
    return {
      loss: a
        .square()
        .add(a.mul(b))
        .mul(g.constant([1, 10], [2]))
        .sumAll(),
    };
  }, parameters);
  expect((await step.run({})).loss).toBe(1 + 3 + 10 * (4 - 10));
  expect([...step.gradients.get('a')!]).toEqual([5, 10]);
  expect([...step.gradients.get('b')!]).toEqual([1, -20]);
  await step.close();
});

it('gives what a gradient of one’s own says, and none by way of the value', async () => {
  const parameters = new Parameters(1);
  const step = await openStep((g) => {
    const [a, b] = [g.parameter('a', [3], ones), g.parameter('b', [3], ones)];
    const rounded = g.custom([a], a.add(b.mul(4)), (dy) => [dy.mul(7)]); // as a straight-through estimator does
    return { loss: rounded.sumAll().add(b.sumAll()) };
  }, parameters);
  expect((await step.run({})).loss).toBe(3 * 5 + 3);
  expect([...step.gradients.get('a')!, ...step.gradients.get('b')!]).toEqual([7, 7, 7, 1, 1, 1]);
  await step.close();
});

it('refuses a loss that does not depend on a weight, or is more than a number', async () => {
  const open = (build: (graph: Graph) => Tensor) =>
    openStep((graph) => ({ loss: build(graph) }), new Parameters(1));
  await expect(open((g) => weight(g, 'a', 2).stop().sumAll())).rejects.toThrow('does not depend on');
  await expect(open((g) => weight(g, 'a', 2))).rejects.toThrow('a loss is one number, not [2]');
});
