/**
 * Inner products of many rows with many in WebAssembly SIMD: `node scripts/build-kernels.ts` makes
 * src/knn/kernels.generated.ts of it. All memory is the caller's (src/knn/dot-products.ts).
 *
 * Each product is the sum of four lanes, each added up in the order of its numbers: it depends on its two rows alone, not
 * on what is computed beside it, and is the same on every machine.
 */

function sumOf(lanes: v128): f32 {
  return (
    f32x4.extract_lane(lanes, 0) +
    f32x4.extract_lane(lanes, 1) +
    (f32x4.extract_lane(lanes, 2) + f32x4.extract_lane(lanes, 3))
  );
}

/**
 * out[q * outStride + r] = queries[q] · rows[r], in float32.
 *
 * @param queryCount a multiple of 4: what lies behind the last query is read
 * @param rowCount a multiple of 2, likewise
 * @param stride bytes a row, a multiple of 16
 * @param outStride bytes from one query's products to the next one's
 */
export function dots(
  queries: usize,
  queryCount: i32,
  rows: usize,
  rowCount: i32,
  stride: usize,
  out: usize,
  outStride: usize,
): void {
  for (let r = 0; r < rowCount; r += 2) {
    const a = rows + <usize>r * stride;
    for (let q = 0; q < queryCount; q += 4) {
      const first = queries + <usize>q * stride;
      let s00 = f32x4.splat(0);
      let s01 = f32x4.splat(0);
      let s10 = f32x4.splat(0);
      let s11 = f32x4.splat(0);
      let s20 = f32x4.splat(0);
      let s21 = f32x4.splat(0);
      let s30 = f32x4.splat(0);
      let s31 = f32x4.splat(0);
      for (let i: usize = 0; i < stride; i += 16) {
        const r0 = v128.load(a + i);
        const r1 = v128.load(a + stride + i);
        const p = first + i;
        const q0 = v128.load(p);
        s00 = f32x4.add(s00, f32x4.mul(q0, r0));
        s01 = f32x4.add(s01, f32x4.mul(q0, r1));
        const q1 = v128.load(p + stride);
        s10 = f32x4.add(s10, f32x4.mul(q1, r0));
        s11 = f32x4.add(s11, f32x4.mul(q1, r1));
        const q2 = v128.load(p + 2 * stride);
        s20 = f32x4.add(s20, f32x4.mul(q2, r0));
        s21 = f32x4.add(s21, f32x4.mul(q2, r1));
        const q3 = v128.load(p + 3 * stride);
        s30 = f32x4.add(s30, f32x4.mul(q3, r0));
        s31 = f32x4.add(s31, f32x4.mul(q3, r1));
      }
      const to = out + <usize>q * outStride + ((<usize>r) << 2);
      f32.store(to, sumOf(s00));
      f32.store(to + 4, sumOf(s01));
      f32.store(to + outStride, sumOf(s10));
      f32.store(to + outStride + 4, sumOf(s11));
      f32.store(to + 2 * outStride, sumOf(s20));
      f32.store(to + 2 * outStride + 4, sumOf(s21));
      f32.store(to + 3 * outStride, sumOf(s30));
      f32.store(to + 3 * outStride + 4, sumOf(s31));
    }
  }
}
