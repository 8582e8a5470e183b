import type { KnnHit } from './types.ts';

/** Inner product of two rows of `dimension` numbers, added up in double precision. */
export function dot(
  a: Float32Array,
  aStart: number,
  b: Float32Array,
  bStart: number,
  dimension: number,
): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) sum += (a[aStart + i] ?? 0) * (b[bStart + i] ?? 0);
  return sum;
}

/**
 * A copy in which each row has length 1. A row of zeros stays: its cosine with everything is 0.
 *
 * @throws RangeError where the rows are not whole, or a number is not finite
 */
export function normalizeRows(vectors: Float32Array, dimension: number): Float32Array<ArrayBuffer> {
  if (vectors.length % dimension !== 0)
    throw new RangeError(`${vectors.length} numbers are not whole vectors of ${dimension}`);
  const out = new Float32Array(vectors.length);
  for (let start = 0; start < vectors.length; start += dimension) {
    const norm = Math.sqrt(dot(vectors, start, vectors, start, dimension));
    if (!Number.isFinite(norm)) throw new RangeError('a vector holds a number that is not finite');
    const scale = norm === 0 ? 0 : 1 / norm;
    for (let i = start; i < start + dimension; i++) out[i] = (vectors[i] ?? 0) * scale;
  }
  return out;
}

/** A query of length 1. @throws RangeError as `KnnIndex.search` */
export function normalizeQuery(vector: Float32Array, dimension: number): Float32Array {
  if (vector.length !== dimension)
    throw new RangeError(`the query has ${vector.length} numbers, the index has vectors of ${dimension}`);
  const query = normalizeRows(vector, dimension);
  if (query.every((x) => x === 0)) throw new RangeError('the query is a vector of length zero');
  return query;
}

/** The order of hits: best first, equal ones by id. */
export function compareHits(a: KnnHit, b: KnnHit): number {
  return b.cosine - a.cosine || a.id - b.id;
}
