/** Ranks of rows, one bit each. */
export class RankSet {
  readonly #bits: Uint8Array;

  /** @param size ranks are below it */
  constructor(size: number) {
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  add(rank: number): void {
    this.#bits[rank >>> 3] = (this.#bits[rank >>> 3] ?? 0) | (1 << (rank & 7));
  }

  has(rank: number): boolean {
    return ((this.#bits[rank >>> 3] ?? 0) & (1 << (rank & 7))) !== 0;
  }
}
