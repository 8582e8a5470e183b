import type { DotProducts } from '../../knn/dot-products.ts';

/** The nearest rows of several queries: `k` places a query, best first. */
export interface Neighbours {
  readonly k: number;
  /** Numbers of rows, `k` a query; -1 where there are fewer. */
  readonly ids: Int32Array;
  /** Inner products with them. */
  readonly products: Float32Array;
}

/** Room for the neighbours of so many queries, empty. */
export function noNeighbours(queries: number, k: number): Neighbours {
  const ids = new Int32Array(queries * k).fill(-1);
  return { k, ids, products: new Float32Array(queries * k).fill(Number.NEGATIVE_INFINITY) };
}

/**
 * Takes the rows of `dots` among the neighbours of `queries`, where they are nearer than those that are there.
 *
 * @param queries rows of length 1, one after the other
 * @param queryAt the place of a query in `neighbours`
 * @param rowAt the number of a row
 */
export function findNeighbours(
  dots: DotProducts,
  queries: Float32Array,
  { k, ids, products }: Neighbours,
  queryAt: (query: number) => number = (query) => query,
  rowAt: (row: number) => number = (row) => row,
): void {
  dots.multiply(queries, (query, firstRow, found) => {
    const first = queryAt(query) * k;
    const last = first + k - 1;
    let least = products[last] ?? 0;
    for (let r = 0; r < found.length; r++) {
      const product = found[r] ?? 0;
      if (product <= least) continue;
      let at = last;
      for (; at > first && (products[at - 1] ?? 0) < product; at--) {
        products[at] = products[at - 1] ?? 0;
        ids[at] = ids[at - 1] ?? 0;
      }
      products[at] = product;
      ids[at] = rowAt(firstRow + r);
      least = products[last] ?? 0;
    }
  });
}
