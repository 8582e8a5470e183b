import { dot } from '../../knn/vector.ts';

/** Rounds of power iteration: where two directions are nearly as long as each other, either is good enough. */
const ROUNDS = 30;

/**
 * Coordinates of rows along their two principal components, found by power iteration. Signs are fixed, so the plane is the same each time.
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
  const sample = centred(rows, mean, dimension);
  const axes: Float32Array[] = [];
  for (let axis = 0; axis < 2; axis++) {
    // Any beginning that is not square to the component does.
    let direction = Float32Array.from(mean, (_, i) => Math.sin(1 + i * (axis + 1)));
    for (let round = 0; round < ROUNDS; round++) {
      const next = timesCovariance(sample, direction);
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

/** Rows that the components are found from, at most: the plane is but a beginning. */
const SAMPLE = 1024;

function centred(rows: Float32Array, mean: Float32Array, dimension: number): Float32Array {
  const sample = rows.slice(0, SAMPLE * dimension);
  for (let at = 0; at < sample.length; at++) sample[at] = (sample[at] ?? 0) - (mean[at % dimension] ?? 0);
  return sample;
}

/** The product of the rows' covariance and a direction, but for a factor. */
function timesCovariance(rows: Float32Array, direction: Float32Array): Float32Array {
  const dimension = direction.length;
  const product = new Float32Array(dimension);
  for (let at = 0; at < rows.length; at += dimension) {
    const along = dot(rows, at, direction, 0, dimension);
    for (let i = 0; i < dimension; i++) product[i] = (product[i] ?? 0) + along * (rows[at + i] ?? 0);
  }
  return product;
}
