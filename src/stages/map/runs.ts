/** Runs that a sample is made of: few enough to read each at once, many enough to come from everywhere. */
const RUNS = 64;

/**
 * A sample of numbers below `total`: runs at equal distances. Rows of a release stand in the order of hashes, so that
 * neighbours are strangers, and a run is as good as a draw, but read at once.
 */
export class Runs {
  /** Numbers in the sample. */
  readonly size: number;
  readonly #length: number;
  readonly #stride: number;

  /** @param most numbers to be drawn; all where there are no more */
  constructor(total: number, most: number) {
    const all = total <= most;
    this.#length = all ? total : Math.floor(most / RUNS);
    this.#stride = all ? Math.max(1, total) : Math.floor(total / RUNS);
    this.size = all ? total : this.#length * RUNS;
  }

  /** The place of a number in the sample, -1 where it is not in it. */
  indexOf(n: number): number {
    const run = Math.floor(n / this.#stride);
    const offset = n - run * this.#stride;
    const index = run * this.#length + offset;
    return offset < this.#length && index < this.size ? index : -1;
  }

  /** The runs within [start, end), as [from, to) each. */
  *within(start: number, end: number): Generator<readonly [number, number]> {
    for (let run = 0; run * this.#length < this.size; run++) {
      const from = Math.max(start, run * this.#stride);
      const to = Math.min(end, run * this.#stride + this.#length);
      if (from < to) yield [from, to];
    }
  }
}
