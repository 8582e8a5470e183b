import type { IvfMemory } from './ivf-memory.ts';
import { mix } from './k-means.ts';

/**
 * A rotation that looks random, by a seed: what is in few coordinates of a vector (as in CLIP's, some of which are a
 * hundred times as large as others) is spread over all, so that codes of four bits a coordinate lose little of any vector.
 *
 * Signs changed at random, then a Walsh-Hadamard transform, twice; where the dimension is no power of two, the transform
 * of the first and of the last 2^i coordinates by turns, four times (as the library of RaBitQ rotates:
 * github.com/VectorDB-NTU/RaBitQ-Library). Lengths and angles stay.
 */
export class Rotation {
  readonly #memory: IvfMemory;
  readonly #dimension: number;
  /** Coordinates that one transform takes: a power of two. */
  readonly #width: number;
  readonly #rounds: number;
  readonly #signsAt: number;
  readonly #rowAt: number;

  constructor(memory: IvfMemory, dimension: number, seed: number) {
    this.#memory = memory;
    this.#dimension = dimension;
    this.#width = 2 ** Math.floor(Math.log2(dimension));
    this.#rounds = this.#width === dimension ? 2 : 4;
    this.#signsAt = memory.reserve(this.#rounds * dimension * 4);
    this.#rowAt = memory.reserve(dimension * 4);
    const signs = memory.floats(this.#signsAt, this.#rounds * dimension);
    for (let i = 0; i < signs.length; i++) signs[i] = mix(i, seed) & 0x10000 ? 1 : -1;
  }

  /** Rotates a row of `dimension` numbers where it is. */
  apply(row: Float32Array): void {
    const place = this.#memory.floats(this.#rowAt, this.#dimension);
    place.set(row);
    this.#memory.kernels.rotate(this.#rowAt, this.#signsAt, this.#rounds, this.#dimension, this.#width);
    row.set(place);
  }
}
