import { DotProducts } from './dot-products.ts';
import { normalizeRows } from './vector.ts';

/** Rounds of k-means: Faiss's spherical k-means has 25 by default, and little moves after the first ten. */
const ROUNDS = 10;

export interface KMeansOptions {
  readonly dimension: number;
  /** Clusters, at most: as many as there are rows. */
  readonly clusters: number;
  /** Of the rows that the clusters begin with. */
  readonly seed: number;
}

/**
 * Spherical k-means: rows belong to the centre with the greatest cosine, centres are the mean of their rows brought to
 * length 1. A pure function of the rows in their order and of the seed, on every machine.
 *
 * @param rows of length 1, one after the other: a sample of what is to be parted
 * @returns the centres, one after the other; fewer than `clusters` where there are fewer rows
 */
export function kMeans(rows: Float32Array, { dimension, clusters, seed }: KMeansOptions): Float32Array {
  const count = rows.length / dimension;
  const k = Math.min(clusters, count);
  let centres = new Float32Array(k * dimension);
  for (const [c, row] of drawNumbers(count, k, seed).entries())
    centres.set(rows.subarray(row * dimension, (row + 1) * dimension), c * dimension);
  const dots = new DotProducts(dimension);
  for (let round = 0; round < ROUNDS; round++) {
    setRows(dots, centres);
    const nearest = nearestRow(dots, rows);
    const sums = new Float32Array(k * dimension);
    const sizes = new Uint32Array(k);
    for (let row = 0; row < count; row++) {
      const c = nearest[row] ?? 0;
      sizes[c] = (sizes[c] ?? 0) + 1;
      for (let i = 0; i < dimension; i++)
        sums[c * dimension + i] = (sums[c * dimension + i] ?? 0) + (rows[row * dimension + i] ?? 0);
    }
    // A centre that nobody is nearest to stays where it is.
    for (let c = 0; c < k; c++)
      if (sizes[c] === 0) sums.set(centres.subarray(c * dimension, (c + 1) * dimension), c * dimension);
    centres = normalizeRows(sums, dimension);
  }
  return centres;
}

/** Puts rows, one after the other, in place of those that were there. */
export function setRows(dots: DotProducts, rows: Float32Array): void {
  dots.clear();
  for (let at = 0; at < rows.length; at += dots.dimension) dots.add(rows.subarray(at, at + dots.dimension));
}

/** For each query the number of the row with the greatest product; of equal ones the first. */
export function nearestRow(dots: DotProducts, queries: Float32Array): Uint32Array {
  const count = queries.length / dots.dimension;
  const nearest = new Uint32Array(count);
  const best = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  dots.multiply(queries, (query, firstRow, products) => {
    let [at, most] = [nearest[query] ?? 0, best[query] ?? 0];
    for (let r = 0; r < products.length; r++) {
      const product = products[r] ?? 0;
      if (product > most) {
        most = product;
        at = firstRow + r;
      }
    }
    nearest[query] = at;
    best[query] = most;
  });
  return nearest;
}

/** `k` different numbers below `count`, by a seed: the head of a Fisher-Yates shuffle. */
export function drawNumbers(count: number, k: number, seed: number): Uint32Array {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < k; i++) {
    const j = i + Math.floor((mix(i, seed) / 2 ** 32) * (count - i));
    const other = numbers[j] ?? 0;
    numbers[j] = numbers[i] ?? 0;
    numbers[i] = other;
  }
  return numbers.subarray(0, k);
}

/** 32 bits of a number and a seed that look random (MurmurHash3's finish). */
export function mix(n: number, seed: number): number {
  let h = (n ^ Math.imul(seed + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
