/** Cosine of two vectors, of any length each; NaN where `a` is too short. */
export function cosine(a: ArrayLike<number>, b: readonly number[]): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (const [i, v] of b.entries()) {
    const u = a[i] ?? Number.NaN;
    dot += u * v;
    aa += u * u;
    bb += v * v;
  }
  return dot / Math.sqrt(aa * bb);
}
