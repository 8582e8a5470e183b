import { Best } from './best.ts';
import { DotProducts } from './dot-products.ts';
import type { KnnBatch, KnnIndex } from './types.ts';
import { normalizeRows } from './vector.ts';

/** Queries of which recall is measured. */
export interface RecallQueries {
  /** Row after row. */
  readonly vectors: Float32Array;
  /**
   * For each query a row that is no neighbour of it, as that which it was taken from: an index always finds that. -1: none.
   */
  readonly except: Int32Array;
}

/** Neighbours a query that recall is told of, at most. */
const MOST_NEIGHBOURS = 100;
const LEVELS = [1, 10, 100] as const;

/** The share of the true k nearest that are found, for k of 1, 10 and 100. */
export type Recall = Readonly<Record<(typeof LEVELS)[number], number>>;

/** The true neighbours of queries among rows that come in batches. */
export class TrueNeighbours {
  readonly #queries: RecallQueries;
  readonly #dimension: number;
  readonly #best: Best[];

  constructor(queries: RecallQueries, dimension: number) {
    this.#dimension = dimension;
    this.#queries = { ...queries, vectors: normalizeRows(queries.vectors, dimension) };
    this.#best = Array.from(queries.except, () => {
      const best = new Best();
      best.start(MOST_NEIGHBOURS);
      return best;
    });
  }

  add({ ids, vectors }: KnnBatch): void {
    const dots = new DotProducts(this.#dimension);
    const rows = normalizeRows(vectors, this.#dimension);
    for (let at = 0; at < rows.length; at += this.#dimension)
      dots.add(rows.subarray(at, at + this.#dimension));
    const { except } = this.#queries;
    dots.multiply(this.#queries.vectors, (query, firstRow, products) => {
      const best = this.#best[query];
      if (!best) return;
      for (let i = 0; i < products.length; i++) {
        const id = ids[firstRow + i] ?? 0;
        const product = products[i] ?? 0;
        if (product >= best.threshold && id !== except[query]) best.push(product, id, 0);
      }
    });
  }

  /** For each query the ids of its nearest, best first. To be called once. */
  take(): readonly Uint32Array[] {
    return this.#best.map((best) => best.take().ids);
  }
}

/**
 * How much of the truth an index finds, and how many searches it does a second, one after the other: k = 10.
 * @param truth of each query, as `TrueNeighbours` tells
 */
export async function measureRecall(
  index: KnnIndex,
  queries: RecallQueries,
  truth: readonly Uint32Array[],
  effort = 1,
): Promise<{ readonly recall: Recall; readonly searchesPerSecond: number }> {
  const recall = { 1: 0, 10: 0, 100: 0 };
  let seconds = 0;
  for (const k of LEVELS) {
    const began = performance.now();
    recall[k] = await recallAt(index, queries, truth, { k, effort });
    if (k === 10) seconds = (performance.now() - began) / 1000;
  }
  return { recall, searchesPerSecond: seconds === 0 ? 0 : truth.length / seconds };
}

/** The share of the true k nearest that are found; 1 where there are none. */
async function recallAt(
  index: KnnIndex,
  { vectors, except }: RecallQueries,
  truth: readonly Uint32Array[],
  { k, effort }: { readonly k: number; readonly effort: number },
): Promise<number> {
  let found = 0;
  let wanted = 0;
  for (const [q, neighbours] of truth.entries()) {
    const vector = vectors.subarray(q * index.dimension, (q + 1) * index.dimension);
    // One more, since the row that is no neighbour may be among them.
    const hits = await index.search(vector, { k: k + 1, effort });
    const ids = new Set(
      hits
        .map(({ id }) => id)
        .filter((id) => id !== except[q])
        .slice(0, k),
    );
    for (const id of neighbours.subarray(0, k)) {
      wanted++;
      if (ids.has(id)) found++;
    }
  }
  return wanted === 0 ? 1 : found / wanted;
}

/** Efforts that are tried, as multiples of what an index was made with: from a half, each a twentieth more than the one before. */
const FIRST_EFFORT = 0.5;
const EFFORT_STEP = 1.05;
/** With so much a search looks at most of an index. */
const MOST_EFFORT = 16;

/**
 * The least effort with which recall@10 of every kind of query reaches a target; the most that is tried where none does.
 */
export async function effortFor(
  index: KnnIndex,
  kinds: readonly { readonly queries: RecallQueries; readonly truth: readonly Uint32Array[] }[],
  target: number,
): Promise<number> {
  let effort = FIRST_EFFORT;
  // The next kind begins where the last one was content: it needs as much for all.
  for (const { queries, truth } of kinds)
    while (effort < MOST_EFFORT && (await recallAt(index, queries, truth, { k: 10, effort })) < target)
      effort *= EFFORT_STEP;
  return effort;
}
