/** The weights of a model, by name. */
import { Rng, seedOf } from './rng.ts';

/** How a weight begins: fills an array of the given shape. */
export type Initializer = (value: Float32Array, shape: readonly number[], rng: Rng) => void;

export const zeros: Initializer = () => {};
export const ones: Initializer = (value) => {
  value.fill(1);
};
export const filled =
  (start: number): Initializer =>
  (value) => {
    value.fill(start);
  };
/** Normal with mean 0. */
export const normal =
  (deviation: number): Initializer =>
  (value, _, rng) => {
    for (let i = 0; i < value.length; i++) value[i] = rng.normal(deviation);
  };

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row by row. */
  readonly value: Float32Array;
}

/** Values are made as they are first asked for; each depends on the seed and its name alone. */
export class Parameters {
  readonly #seed: number;
  readonly #all = new Map<string, Parameter>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** @throws Error where the name has another shape */
  ensure(name: string, shape: readonly number[], initializer: Initializer): Parameter {
    const known = this.#all.get(name);
    if (known) {
      if (known.shape.join() !== shape.join())
        throw new Error(`${name} is [${known.shape.join()}], not [${shape.join()}]`);
      return known;
    }
    const value = new Float32Array(shape.reduce((a, b) => a * b, 1));
    initializer(value, shape, new Rng(seedOf('parameter', this.#seed, name)));
    return this.put(name, shape, value);
  }

  /** Takes a value as it is: what a checkpoint holds. */
  put(name: string, shape: readonly number[], value: Float32Array): Parameter {
    const parameter = { name, shape, value };
    this.#all.set(name, parameter);
    return parameter;
  }

  /** @throws Error where there is none of that name */
  get(name: string): Parameter {
    const found = this.#all.get(name);
    if (!found) throw new Error(`no parameter ${name}`);
    return found;
  }

  /** In the order in which they were first asked for. */
  all(): readonly Parameter[] {
    return [...this.#all.values()];
  }

  /** Number of weights. */
  get count(): number {
    return this.all().reduce((sum, { value }) => sum + value.length, 0);
  }
}
