/**
 * Reverse-mode differentiation of ONNX graphs. A model is written once, as functions over {@link Tensor}s; what they
 * record is a graph of standard operators, and `gradients` writes the backward pass behind it. onnxruntime runs both
 * at native speed, on whatever device it has.
 */
import { type Attribute, type ElementType, GraphBuilder, type Shape } from './onnx.ts';
import type { Initializer, Parameters } from './parameters.ts';
import { Tensor } from './tensor.ts';

/**
 * From the gradient by a node's output to those by its inputs, in their order; undefined where an input has none
 * (labels, masks). Shapes are those of the inputs.
 */
export type Vjp = (gradient: Tensor, output: Tensor) => readonly (Tensor | undefined)[];

export interface NodeOptions {
  readonly shape: readonly number[];
  /** @default float32 */
  readonly type?: ElementType;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Inputs behind the tensors that are constants of the operator: axes, shapes. */
  readonly constants?: readonly string[];
}

interface TapeEntry {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly vjp: Vjp | undefined;
}

/** A size that is known only when the graph runs: the batch of an exported model. Such a graph has no gradients. */
export const DYNAMIC = -1;

export class Graph {
  readonly builder: GraphBuilder;
  readonly #tape: TapeEntry[] = [];
  readonly #store: Parameters | undefined;
  readonly #frozen: boolean;
  readonly #parameters = new Map<string, Tensor>();

  /**
   * @param store where `parameter` finds values. @param frozen whether they become constants of the graph (a model to
   * export) instead of inputs (a model to train)
   */
  constructor(name: string, store?: Parameters, frozen = false) {
    this.builder = new GraphBuilder(name);
    this.#store = store;
    this.#frozen = frozen;
  }

  /** What a caller of the graph feeds. A size of `DYNAMIC` is any, the same for all inputs that have one. */
  input(name: string, shape: readonly number[], type: ElementType = 'float32'): Tensor {
    const sizes: Shape = shape.map((size) => (size === DYNAMIC ? 'batch_size' : size));
    return new Tensor(this, this.builder.input(name, type, sizes), shape, type);
  }

  /** A weight of the model: the same tensor each time it is asked for by one name. */
  parameter(name: string, shape: readonly number[], initializer: Initializer): Tensor {
    const known = this.#parameters.get(name);
    if (known) return known;
    if (!this.#store) throw new Error(`graph without parameters: ${name}`);
    const { value } = this.#store.ensure(name, shape, initializer);
    const id = this.#frozen ? this.builder.floats(shape, value) : this.builder.input(name, 'float32', shape);
    const tensor = new Tensor(this, id, shape, 'float32');
    this.#parameters.set(name, tensor);
    return tensor;
  }

  /** Those asked for so far, by name. */
  get parameters(): ReadonlyMap<string, Tensor> {
    return this.#parameters;
  }

  constant(data: Float32Array | readonly number[], shape: readonly number[]): Tensor {
    return new Tensor(this, this.builder.floats(shape, data), shape, 'float32');
  }

  scalar(value: number): Tensor {
    return this.constant([value], []);
  }

  /** int64 */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
    const data = BigInt64Array.from(values, BigInt);
    return new Tensor(this, this.builder.constant({ type: 'int64', dims: shape, data }), shape, 'int64');
  }

  /** A node of the graph. Without `vjp` no gradient goes through it. */
  node(opType: string, inputs: readonly Tensor[], options: NodeOptions, vjp?: Vjp): Tensor {
    return this.nodes(opType, inputs, [options], vjp)[0]!;
  }

  /** A node with several outputs, of which the first alone has a gradient. `attributes` and `constants` are the first's. */
  nodes(opType: string, inputs: readonly Tensor[], outputs: readonly NodeOptions[], vjp?: Vjp): Tensor[] {
    const { constants = [], attributes = {} } = outputs[0]!;
    const from = [...inputs.map(({ name }) => name), ...constants];
    const names = this.builder.ops(opType, from, outputs.length, attributes);
    const made = outputs.map(({ shape, type = 'float32' }, i) => new Tensor(this, names[i]!, shape, type));
    this.#tape.push({ inputs, output: made[0]!, vjp });
    return made;
  }

  /** `value` with a gradient of one's own: by way of it the gradient goes to `inputs`, not to what it was made of. */
  custom(inputs: readonly Tensor[], value: Tensor, vjp: Vjp): Tensor {
    const name = this.builder.op('Identity', [value.name]);
    const output = new Tensor(this, name, value.shape, value.type);
    this.#tape.push({ inputs, output, vjp });
    return output;
  }

  /** Declares a tensor as an output of the graph. */
  output(name: string, tensor: Tensor): void {
    const sizes = tensor.shape.map((size) => (size === DYNAMIC ? 'batch_size' : size));
    this.builder.output(name, tensor.name, tensor.type, sizes);
  }

  /**
   * Gradients of a loss of one number, in the order and the shapes of `by`.
   * @throws Error where the loss does not depend on one of them, or its shape is not fixed
   */
  gradients(loss: Tensor, by: readonly Tensor[]): Tensor[] {
    if (loss.size !== 1) throw new Error(`a loss is one number, not [${loss.shape.join(', ')}]`);
    const forward = [...this.#tape];
    const wanted = new Set(by.map(({ name }) => name));
    for (const { inputs, output } of forward) {
      if (inputs.some(({ name }) => wanted.has(name))) wanted.add(output.name);
    }
    const found = new Map<string, Tensor>([[loss.name, this.constant([1], loss.shape)]]);
    for (const { inputs, output, vjp } of forward.reverse()) {
      const gradient = found.get(output.name);
      if (!gradient || !vjp || !wanted.has(output.name)) continue;
      vjp(gradient, output).forEach((part, i) => {
        const input = inputs[i]!;
        if (!part || !wanted.has(input.name)) return;
        if (part.shape.join() !== input.shape.join())
          throw new Error(`gradient of [${part.shape.join()}] for [${input.shape.join()}] of ${input.name}`);
        const before = found.get(input.name);
        found.set(input.name, before ? before.add(part) : part);
      });
    }
    return by.map((tensor) => {
      const gradient = found.get(tensor.name);
      if (!gradient) throw new Error(`the loss does not depend on ${tensor.name}`);
      return gradient;
    });
  }

  /** The graph as an ONNX model. */
  toModel(docString = ''): Uint8Array {
    return this.builder.toModel(docString);
  }
}
