/** Runs graphs: training steps with their gradients, and forward passes. */
import * as ort from 'onnxruntime-node';
import { Graph } from './graph.ts';
import type { Parameters } from './parameters.ts';
import { openSession, type RunOptions } from './runtime.ts';
import type { Tensor } from './tensor.ts';

/** What a graph is fed, by the names of its inputs; shapes are known from there. */
export type Feeds = Readonly<Record<string, Float32Array | Uint8Array | BigInt64Array>>;
export type Results = Readonly<Record<string, Float32Array | BigInt64Array>>;

/** A training step on fixed weights: what it gives depends on nothing else. */
export interface Step {
  /** By parameter; overwritten by each run. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** The loss, and the other outputs by name. */
  run(feeds: Feeds): Promise<{ readonly loss: number; readonly outputs: Results }>;
  close(): Promise<void>;
}

/** What a model declares: inputs by `graph.input`, weights by `graph.parameter`; it gives its loss and what else is wanted. */
export type BuildLoss = (graph: Graph) => {
  readonly loss: Tensor;
  readonly outputs?: Readonly<Record<string, Tensor>>;
};

const GRADIENT = 'gradient:';

/** Writes the graph of a step, forward and backward, and opens it. `parameters` gets the weights it lacks. */
export async function openStep(
  build: BuildLoss,
  parameters: Parameters,
  options: RunOptions = {},
): Promise<Step> {
  const graph = new Graph('training step', parameters);
  const { loss, outputs = {} } = build(graph);
  const weights = [...graph.parameters];
  const byWeights = graph.gradients(
    loss,
    weights.map(([, tensor]) => tensor),
  );
  graph.output('loss', loss.reshape([1]));
  for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor);
  const gradients = new Map<string, Float32Array>();
  const given: Record<string, ort.Tensor | null> = { loss: null };
  for (const name of Object.keys(outputs)) given[name] = null;
  weights.forEach(([name, { shape }], i) => {
    graph.output(GRADIENT + name, byWeights[i]!);
    const { value } = parameters.get(name);
    const gradient = new Float32Array(value.length);
    gradients.set(name, gradient);
    given[GRADIENT + name] = new ort.Tensor('float32', gradient, shape);
  });
  const session = await openSession(graph.toModel(), options);
  const values = Object.fromEntries(
    weights.map(([name, { shape }]) => [name, new ort.Tensor('float32', parameters.get(name).value, shape)]),
  );
  return {
    gradients,
    async run(feeds) {
      const results = await session.run({ ...values, ...tensorsOf(session, feeds) }, given);
      const names = Object.keys(outputs);
      const found = names.map((name) => [name, valuesOf(results[name])] as const);
      return { loss: Number(valuesOf(results.loss)[0]), outputs: Object.fromEntries(found) };
    },
    close: () => session.release(),
  };
}

/** A forward pass: outputs by name. */
export interface Forward {
  run(feeds: Feeds): Promise<Results>;
  close(): Promise<void>;
}

/** Opens a model (`graph.toModel()`, or the path of one). */
export async function openForward(model: Uint8Array | string, options: RunOptions = {}): Promise<Forward> {
  const session = await openSession(model, options);
  return {
    async run(feeds) {
      const results = await session.run(tensorsOf(session, feeds));
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, valuesOf(tensor)]));
    },
    close: () => session.release(),
  };
}

/** Shapes come from the session; a size that is not fixed there follows from the length. */
function tensorsOf(session: ort.InferenceSession, feeds: Feeds): Record<string, ort.Tensor> {
  const shapes = new Map(session.inputMetadata.map((input) => [input.name, input]));
  return Object.fromEntries(
    Object.entries(feeds).map(([name, data]) => {
      const input = shapes.get(name);
      if (!input?.isTensor) throw new Error(`the graph has no input ${name}`);
      const fixed = input.shape.reduce<number>(
        (n, size) => (typeof size === 'number' && size > 0 ? n * size : n),
        1,
      );
      const dims = input.shape.map((size) =>
        typeof size === 'number' && size > 0 ? size : data.length / fixed,
      );
      if (dims.reduce((a, b) => a * b, 1) !== data.length)
        throw new Error(`${name} is [${dims.join()}], not ${data.length} numbers`);
      return [name, toTensor(data, dims)];
    }),
  );
}

function toTensor(data: Feeds[string], dims: readonly number[]): ort.Tensor {
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, dims);
  if (data instanceof Uint8Array) return new ort.Tensor('uint8', data, dims);
  return new ort.Tensor('int64', data, dims);
}

function valuesOf(tensor: ort.Tensor | undefined): Float32Array | BigInt64Array {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof BigInt64Array) return data;
  throw new TypeError(`expected float32 or int64, got ${tensor?.type}`);
}
