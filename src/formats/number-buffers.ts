import { freeBytes } from './free-bytes.ts';

/** Arrays that are used again, each for one purpose. `ColumnBuffer` says why new ones are dear. */
export class NumberBuffers {
  readonly #arrays = new Map<string, Uint32Array>();

  /**
   * @param purpose what it was taken for before is overwritten
   * @returns an array that still holds what was left in it
   */
  take(purpose: string, length: number): Uint32Array {
    const had = this.#arrays.get(purpose);
    if (had && had.length >= length) return had.subarray(0, length);
    if (had) freeBytes(had);
    const array = new Uint32Array(Math.ceil(1.25 * length));
    this.#arrays.set(purpose, array);
    return array.subarray(0, length);
  }
}
