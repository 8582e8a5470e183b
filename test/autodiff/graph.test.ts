import { expect, it } from 'vitest';
import { Graph, normal, openStep, Parameters } from '../../examples/autodiff/index.ts';

it('leaves out of a model what no output hangs on: the gradient by the data', async () => {
  const build = (graph: Graph) => {
    const x = graph.input('x', [2, 3]);
    x.matMul(
      graph.constant(
        Float32Array.from({ length: 9 }, (_, i) => i),
        [3, 3],
      ),
    ).exp(); // of no use
    return {
      loss: x
        .matMul(graph.parameter('w', [3, 4], normal(1)))
        .square()
        .sumAll(),
    };
  };
  const parameters = new Parameters(1);
  const graph = new Graph('step', parameters);
  const { loss } = build(graph);
  const [byW] = graph.gradients(loss, [graph.parameters.get('w')!]);
  graph.output('byW', byW!);
  const operators = Buffer.from(graph.toModel())
    .toString('latin1')
    .match(/MatMul_\d+|Exp_\d+/g);
  // x·w and xᵀ·dy; neither dy·wᵀ nor what is of no use
  expect(new Set(operators).size).toBe(2);

  const step = await openStep(build, parameters);
  const x = Float32Array.of(1, 0, 0, 0, 1, 0);
  const { value } = parameters.get('w');
  const expected = value.slice(0, 8).reduce((sum, v) => sum + v * v, 0);
  expect((await step.run({ x })).loss).toBeCloseTo(expected, 4);
  await step.close();
});
