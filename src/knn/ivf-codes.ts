import { byteStride, CENTRE_ZERO, type Centres, quantizeRow } from './ivf-bytes.ts';
import { IvfMemory } from './ivf-memory.ts';
import { Rotation } from './rotation.ts';

/** Bytes of a plane of a row's code: two bits a coordinate. */
export function planeStride(dimension: number): number {
  return byteStride(dimension) / 4;
}

/** Bytes of a row's code, four bits a coordinate: its high plane, then its low one. */
export function codeStride(dimension: number): number {
  return 2 * planeStride(dimension);
}

/** Codes are 0 to 15: between the two in the middle is zero. */
export const CODE_ZERO = 7.5;

/**
 * Steps of the best uniform quantizer of 16 levels for normal numbers, in standard deviations (J. Max, "Quantizing for
 * Minimum Distortion", 1960, table II).
 */
const STEP = 0.3352;

/** Codes of what rows differ from centres by. */
class Coder {
  readonly #dimension: number;
  readonly #residual: Float32Array;

  constructor(dimension: number) {
    this.#dimension = dimension;
    this.#residual = new Float32Array(byteStride(dimension));
  }

  /**
   * The code of a rotated row beside a centre. With it, its product with a query is estimated as that of the centre (at its
   * length) and factor × Σ (code - 7.5) × query. The factor makes the estimate right on the average, as RaBitQ's does
   * (Gao and Long, "RaBitQ", SIGMOD 2024, 3.2).
   *
   * @param beside the centres, and how long each is. @default all of length 1
   * @param to receives `codeStride(dimension)` bytes: the high two bits of all coordinates, then the low two. Byte i of 16
   *   holds coordinates i, 16 + i, 32 + i and 48 + i of 64, from its low bits up
   * @returns the factor
   */
  encode(row: Float32Array, centre: number, { centres, lengths }: Beside, to: Uint8Array): number {
    const residual = this.#residual;
    const centreAt = centre * centres.stride;
    const scale = centres.scale * (lengths?.[centre] ?? 1);
    let square = 0;
    for (let i = 0; i < this.#dimension; i++) {
      const x = (row[i] ?? 0) - ((centres.bytes[centreAt + i] ?? 0) - CENTRE_ZERO) * scale;
      residual[i] = x;
      square += x * x;
    }
    const length = Math.sqrt(square);
    const inverse = length === 0 ? 0 : Math.sqrt(this.#dimension) / (STEP * length);
    const plane = planeStride(this.#dimension);
    to.fill(0);
    let product = 0;
    for (let i = 0; i < residual.length; i++) {
      const x = residual[i] ?? 0;
      const code = level(x, inverse);
      const at = ((i >>> 6) << 4) + (i & 15);
      const shift = ((i >>> 4) & 3) << 1;
      to[at] = (to[at] ?? 0) | ((code >>> 2) << shift);
      to[plane + at] = (to[plane + at] ?? 0) | ((code & 3) << shift);
      product += (code - CODE_ZERO) * x;
    }
    return product > 0 ? square / product : 0;
  }
}

export interface Beside {
  readonly centres: Centres;
  readonly lengths?: Float32Array;
}

/** Rows as an index keeps them: rotated, as bytes for finding their cells, and as codes. */
export class Encoder extends Coder {
  readonly #rotation: Rotation;

  constructor(dimension: number, seed: number) {
    super(dimension);
    this.#rotation = new Rotation(new IvfMemory(), dimension, seed);
  }

  /** Rotates a row where it is. */
  rotate(row: Float32Array): void {
    this.#rotation.apply(row);
  }

  /** A rotated row as signed bytes. @returns what they are to be multiplied with */
  toBytes(row: Float32Array, to: Int8Array): number {
    return quantizeRow(row, to);
  }
}

function level(x: number, inverse: number): number {
  const code = Math.floor(x * inverse + CODE_ZERO + 0.5);
  return Math.min(Math.max(code, 0), 15);
}
