import { dot } from '../../knn/vector.ts';

/** Rounds of power iteration: where two directions are nearly as long as each other, either is good enough. */
const ROUNDS = 60;

/**
 * Coordinates of rows along their two principal components, found by power iteration on the covariance (never made
 * whole: dimension × dimension numbers are few, rows many). Signs are fixed, so the plane is the same each time.
 *
 * @param rows one after the other
 * @returns x and y of each row
 */
export function principalPlane(rows: Float32Array, dimension: number): Float32Array {
  const count = rows.length / dimension;
  const mean = new Float32Array(dimension);
  for (let at = 0; at < rows.length; at++) {
    const i = at % dimension;
    mean[i] = (mean[i] ?? 0) + (rows[at] ?? 0) / count;
  }
  const covariance = covarianceOf(rows, mean, dimension);
  const axes: Float32Array[] = [];
  for (let axis = 0; axis < 2; axis++) {
    // Any beginning that is not square to the component does.
    let direction = Float32Array.from(mean, (_, i) => Math.sin(1 + i * (axis + 1)));
    for (let round = 0; round < ROUNDS; round++) {
      const next = new Float32Array(dimension);
      for (let i = 0; i < dimension; i++) next[i] = dot(covariance, i * dimension, direction, 0, dimension);
      for (const before of axes) {
        const along = dot(next, 0, before, 0, dimension);
        for (let i = 0; i < dimension; i++) next[i] = (next[i] ?? 0) - along * (before[i] ?? 0);
      }
      const length = Math.sqrt(dot(next, 0, next, 0, dimension));
      if (length < 1e-20) break;
      direction = next.map((x) => x / length);
    }
    axes.push(direction);
  }
  const places = new Float32Array(2 * count);
  for (const [a, axis] of axes.entries()) {
    const offset = dot(mean, 0, axis, 0, dimension);
    for (let r = 0; r < count; r++) places[2 * r + a] = dot(rows, r * dimension, axis, 0, dimension) - offset;
  }
  return places;
}

/** Rows that the covariance is estimated from, at most: the plane is but a beginning. */
const SAMPLE = 2048;

function covarianceOf(rows: Float32Array, mean: Float32Array, dimension: number): Float32Array {
  const count = Math.min(rows.length / dimension, SAMPLE);
  const covariance = new Float32Array(dimension * dimension);
  const centred = new Float32Array(dimension);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < dimension; i++) centred[i] = (rows[r * dimension + i] ?? 0) - (mean[i] ?? 0);
    for (let i = 0; i < dimension; i++) {
      const factor = (centred[i] ?? 0) / count;
      for (let j = 0; j < dimension; j++)
        covariance[i * dimension + j] = (covariance[i * dimension + j] ?? 0) + factor * (centred[j] ?? 0);
    }
  }
  return covariance;
}
