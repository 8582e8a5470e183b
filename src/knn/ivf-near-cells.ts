import { Best } from './best.ts';
import { byteStride, CENTRE_ZERO, quantizeRow } from './ivf-bytes.ts';
import type { LoadedIvf } from './ivf-load.ts';
import type { CellPlan } from './ivf-plan.ts';
import { Rotation } from './rotation.ts';

/** Cells that are put in order at first; then three times as many, and so on. */
const FIRST_CELLS = 24;
/** Centres that a query is compared with, those of the nearest groups, for each cell that is put in order. */
const CENTRES_A_CELL = 32;

/** A query as bytes: what these are multiplied with, and their sum. */
export interface QueryBytes {
  readonly scale: number;
  readonly sum: number;
}

/** The cells of an index in the order in which a query is near to their centres. */
export class NearCells {
  readonly #loaded: LoadedIvf;
  readonly #plan: CellPlan;
  readonly #rotation: Rotation;
  readonly #rotated: Float32Array;
  readonly #best = new Best();
  /** Address of the query's bytes, `byteStride` of them. */
  readonly queryAt: number;
  readonly #productsAt: number;
  readonly #groupProductsAt: number;
  readonly #someProductsAt: number;
  /** Cells whose centres were compared. */
  readonly #compared: Uint32Array;
  /** For each cell the number of the query that it was given to last. */
  readonly #given: Uint32Array;
  #queries = 0;
  #query: QueryBytes = { scale: 0, sum: 0 };

  constructor(loaded: LoadedIvf, plan: CellPlan) {
    const { memory, dimension } = loaded;
    this.#loaded = loaded;
    this.#plan = plan;
    this.#rotation = new Rotation(memory, dimension, plan.seed);
    this.#rotated = new Float32Array(dimension);
    this.queryAt = memory.reserve(byteStride(dimension));
    this.#productsAt = memory.reserve(plan.nList * 4);
    // Up to three more than there are centres are written.
    this.#groupProductsAt = memory.reserve((plan.nGroups + 3) * 4);
    this.#someProductsAt = memory.reserve((plan.nList + 3) * 4);
    this.#compared = new Uint32Array(plan.nList);
    this.#given = new Uint32Array(plan.nList);
  }

  /** Takes a query in, of length 1: its bytes, rotated, are where kernels find them. */
  start(query: Float32Array): QueryBytes {
    const { memory, dimension } = this.#loaded;
    this.#rotated.set(query);
    this.#rotation.apply(this.#rotated);
    const bytes = memory.signedBytes(this.queryAt, byteStride(dimension));
    const scale = quantizeRow(this.#rotated, bytes);
    let sum = 0;
    for (const x of bytes) sum += x;
    this.#queries++;
    this.#query = { scale, sum };
    return this.#query;
  }

  /** Cells, nearest first, as far as the nearest groups have them; at last all. */
  *nearest(): Generator<number, void, undefined> {
    const { groupStarts } = this.#loaded;
    const groups = this.#nearestGroups();
    let [opened, compared] = [0, 0];
    for (let count = FIRST_CELLS; ; count *= 3) {
      for (; compared < CENTRES_A_CELL * count && opened < groups.length; opened++) {
        const group = groups[opened] ?? 0;
        const [start, end] = [groupStarts[group] ?? 0, groupStarts[group + 1] ?? 0];
        this.#compare(start, end);
        for (let cell = start; cell < end; cell++) this.#compared[compared++] = cell;
      }
      for (const cell of this.#bestOf(compared, Math.min(count, this.#plan.nList))) {
        if (this.#given[cell] === this.#queries) continue;
        this.#given[cell] = this.#queries;
        yield cell;
      }
      if (count >= this.#plan.nList) return;
    }
  }

  /** All cells, in no order. */
  *all(): Generator<number, void, undefined> {
    this.#compare(0, this.#plan.nList);
    for (let cell = 0; cell < this.#plan.nList; cell++) yield cell;
  }

  /** The cosine of the query to the centre of a cell that was given. */
  cosineTo(cell: number): number {
    const { scale, sum } = this.#query;
    const product = this.#loaded.memory.ints(this.#productsAt, this.#plan.nList)[cell] ?? 0;
    return (product - CENTRE_ZERO * sum) * scale * this.#plan.centreScale;
  }

  #nearestGroups(): Uint32Array {
    const { memory, groupsAt, dimension } = this.#loaded;
    const { nGroups } = this.#plan;
    memory.kernels.products(this.queryAt, groupsAt, nGroups, byteStride(dimension), this.#groupProductsAt);
    const products = memory.ints(this.#groupProductsAt, nGroups);
    this.#best.start(nGroups);
    for (let group = 0; group < nGroups; group++) this.#best.push(products[group] ?? 0, group, group);
    return this.#best.take().ids;
  }

  /** The nearest of the first so many cells that were compared, best first. */
  #bestOf(compared: number, count: number): Uint32Array {
    const products = this.#loaded.memory.ints(this.#productsAt, this.#plan.nList);
    this.#best.start(count);
    let threshold = this.#best.threshold;
    for (let i = 0; i < compared; i++) {
      const cell = this.#compared[i] ?? 0;
      const product = products[cell] ?? 0;
      if (product < threshold) continue;
      this.#best.push(product, cell, cell);
      threshold = this.#best.threshold;
    }
    return this.#best.take().ids;
  }

  /** Leaves the products of the query with the centres of cells in memory. */
  #compare(start: number, end: number): void {
    const { memory, dimension, centresAt } = this.#loaded;
    const stride = byteStride(dimension);
    const count = end - start;
    // To a place of their own: what stands behind them is another group's.
    memory.kernels.products(this.queryAt, centresAt + start * stride, count, stride, this.#someProductsAt);
    memory.ints(this.#productsAt + start * 4, count).set(memory.ints(this.#someProductsAt, count));
  }
}
