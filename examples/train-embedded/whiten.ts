/** Whitening by the eigenvectors of a covariance matrix. */

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations (Golub and Van Loan, Matrix
 * Computations, 8.5). Enough for the 108 dimensions of a patch; not for thousands.
 *
 * @param matrix - [n, n], row by row; not changed.
 * @returns `vectors[i * n + j]` is component i of eigenvector j, whose eigenvalue is `values[j]`.
 */
export function eigenSymmetric(
  matrix: Float64Array,
  n: number,
): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const rotate = (m: Float64Array, i: number, j: number, s: number, tau: number) => {
    const [g, h] = [m[i]!, m[j]!];
    m[i] = g - s * (h + g * tau);
    m[j] = h + s * (g - h * tau);
  };
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) off += a[p * n + q]! ** 2;
    if (off < 1e-22) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q]!;
        if (apq === 0) continue;
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const tau = s / (1 + c);
        for (let k = 0; k < n; k++) rotate(a, k * n + p, k * n + q, s, tau);
        for (let k = 0; k < n; k++) rotate(a, p * n + k, q * n + k, s, tau);
        for (let k = 0; k < n; k++) rotate(v, k * n + p, k * n + q, s, tau);
      }
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors: v };
}

/**
 * ZCA whitening (Coates, Ng and Lee, AISTATS 2011): the mean of rows, and the symmetric matrix that makes their
 * covariance the identity.
 *
 * @param rows - [count, n], row by row.
 * @param floor - Added to the eigenvalues, so that directions of mere noise are not blown up.
 */
export function whiteningOf(
  rows: Float32Array,
  n: number,
  floor: number,
): { mean: Float64Array; matrix: Float64Array } {
  const count = rows.length / n;
  const mean = new Float64Array(n);
  for (let r = 0; r < count; r++) for (let i = 0; i < n; i++) mean[i]! += rows[r * n + i]! / count;
  const covariance = new Float64Array(n * n);
  const centred = new Float64Array(n);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < n; i++) centred[i] = rows[r * n + i]! - mean[i]!;
    for (let i = 0; i < n; i++) {
      const scaled = centred[i]! / (count - 1);
      for (let j = i; j < n; j++) covariance[i * n + j]! += scaled * centred[j]!;
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) covariance[i * n + j] = covariance[j * n + i]!;
  const { values, vectors } = eigenSymmetric(covariance, n);
  const matrix = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const scale = 1 / Math.sqrt(values[k]! + floor);
    for (let i = 0; i < n; i++) {
      const left = vectors[i * n + k]! * scale;
      for (let j = 0; j < n; j++) matrix[i * n + j]! += left * vectors[j * n + k]!;
    }
  }
  return { mean, matrix };
}
