/**
 * The inner loops over pixels in WebAssembly SIMD, written in AssemblyScript: `node scripts/build-kernels.ts` makes
 * src/image/kernels.generated.ts of it. All memory is the caller's (src/image/kernels.ts): nothing is allocated here.
 *
 * Pixels are multiplied two at a time by `i32x4.dot_i16x8_s` (x86's pmaddwd): lanes hold a pixel of one tap and of
 * the next, side by side, and so do weights. Loads and stores may run up to 16 bytes beyond a row, where weights are 0
 * or what is written is written over: buffers are that much longer.
 */

/** Bytes of two rows side by side, lower and upper half: a0 b0 a1 b1 … */
function interleaveLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
function interleaveHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * One row of a mean over an area: `pairs` × 2 rows of `stride` bytes from `source` on, each times its weight, to
 * 16-bit numbers of 6 fractional bits. `weights` are 16-bit pairs whose sum is 2^(shift + 6).
 */
export function areaColumn(
  source: usize,
  stride: usize,
  weights: usize,
  pairs: usize,
  shift: i32,
  line: usize,
): void {
  const half = i32x4.splat((1 << shift) >> 1);
  for (let i: usize = 0; i < stride; i += 16) {
    let s0 = half;
    let s1 = half;
    let s2 = half;
    let s3 = half;
    let p = source + i;
    for (let k: usize = 0; k < pairs; k++, p += 2 * stride) {
      const w = v128.load32_splat(weights + (k << 2));
      const a = v128.load(p);
      const b = v128.load(p + stride);
      const low = interleaveLow(a, b);
      const high = interleaveHigh(a, b);
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(low), w));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(low), w));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(high), w));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(high), w));
    }
    const to = line + (i << 1);
    v128.store(to, i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift)));
    v128.store(to + 16, i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift)));
  }
}

/** Of two pixels of 16 bits a channel, r0 g0 b0 r1 g1 b1: r0 r1 g0 g1 b0 b1. */
function sideBySide(two: v128): v128 {
  return i8x16.shuffle(two, two, 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 14, 15);
}

/**
 * That row brought to `count` pixels, a multiple of four: for each, `pairs` × 2 pixels of `line` from byte `first[x]` on,
 * each times its weight, to bytes. `weights` are `pairs` 16-bit pairs a pixel, whose sum is 2^(shift - 6).
 */
export function areaRow(
  line: usize,
  first: usize,
  weights: usize,
  pairs: usize,
  shift: i32,
  out: usize,
  count: usize,
): void {
  const half = i32x4.splat((1 << shift) >> 1);
  const step = pairs << 2;
  for (let x: usize = 0; x < count; x += 4, out += 12, first += 16) {
    let p0 = line + load<u32>(first);
    let p1 = line + load<u32>(first, 4);
    let p2 = line + load<u32>(first, 8);
    let p3 = line + load<u32>(first, 12);
    let s0 = half;
    let s1 = half;
    let s2 = half;
    let s3 = half;
    for (let k: usize = 0; k < pairs; k++, weights += 4) {
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(sideBySide(v128.load(p0)), v128.load32_splat(weights)));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(sideBySide(v128.load(p1)), v128.load32_splat(weights + step)));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(sideBySide(v128.load(p2)), v128.load32_splat(weights + 2 * step)));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(sideBySide(v128.load(p3)), v128.load32_splat(weights + 3 * step)));
      p0 += 12;
      p1 += 12;
      p2 += 12;
      p3 += 12;
    }
    weights += 3 * step;
    storePixels(
      out,
      i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift)),
      i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift)),
    );
  }
}

/** Four pixels as bytes, clipped to 0…255, of four 16-bit numbers each, the fourth of no use; writes 16 bytes. */
function storePixels(out: usize, a: v128, b: v128): void {
  const bytes = i8x16.narrow_i16x8_u(a, b);
  v128.store(out, i8x16.shuffle(bytes, bytes, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15));
}

/** Pillow's PRECISION_BITS. A weight is split into its upper bits and these lower ones, to fit 16 bits each. */
const PRECISION_BITS: i32 = 22;
const LOW_BITS: i32 = 11;

/** Of the bytes r0 g0 b0 r1 g1 b1 …, as 16-bit numbers: r0 r1 g0 g1 b0 b1. */
function firstTwo(bytes: v128): v128 {
  return i8x16.swizzle(bytes, i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
}
/** The same of r2 g2 b2 r3 g3 b3. */
function nextTwo(bytes: v128): v128 {
  return i8x16.swizzle(bytes, i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
}

/**
 * Four rows of Pillow's horizontal pass, `stride` bytes apart, so that weights are loaded once for them: for each of `count`
 * pixels `quads` × 4 pixels from byte `first[x]` on. Weights of four pixels are eight 16-bit numbers: upper parts, then
 * lower parts. Rows of the result are `outStride` bytes apart, at least one more than they are long.
 */
export function pillowRows(
  source: usize,
  stride: usize,
  first: usize,
  weights: usize,
  quads: usize,
  out: usize,
  outStride: usize,
  count: usize,
): void {
  const half = i32x4.splat(1 << (PRECISION_BITS - 1));
  const zero = i32x4.splat(0);
  for (let x: usize = 0; x < count; x++, out += 3) {
    let p = source + load<u32>(first + (x << 2));
    let high0 = zero;
    let high1 = zero;
    let high2 = zero;
    let high3 = zero;
    let low0 = half;
    let low1 = half;
    let low2 = half;
    let low3 = half;
    for (let k: usize = 0; k < quads; k++, p += 12, weights += 16) {
      const upperA = v128.load32_splat(weights);
      const lowerA = v128.load32_splat(weights, 8);
      const upperB = v128.load32_splat(weights, 4);
      const lowerB = v128.load32_splat(weights, 12);
      const four0 = v128.load(p);
      const a0 = firstTwo(four0);
      const b0 = nextTwo(four0);
      high0 = i32x4.add(high0, i32x4.add(i32x4.dot_i16x8_s(a0, upperA), i32x4.dot_i16x8_s(b0, upperB)));
      low0 = i32x4.add(low0, i32x4.add(i32x4.dot_i16x8_s(a0, lowerA), i32x4.dot_i16x8_s(b0, lowerB)));
      const four1 = v128.load(p + stride);
      const a1 = firstTwo(four1);
      const b1 = nextTwo(four1);
      high1 = i32x4.add(high1, i32x4.add(i32x4.dot_i16x8_s(a1, upperA), i32x4.dot_i16x8_s(b1, upperB)));
      low1 = i32x4.add(low1, i32x4.add(i32x4.dot_i16x8_s(a1, lowerA), i32x4.dot_i16x8_s(b1, lowerB)));
      const four2 = v128.load(p + 2 * stride);
      const a2 = firstTwo(four2);
      const b2 = nextTwo(four2);
      high2 = i32x4.add(high2, i32x4.add(i32x4.dot_i16x8_s(a2, upperA), i32x4.dot_i16x8_s(b2, upperB)));
      low2 = i32x4.add(low2, i32x4.add(i32x4.dot_i16x8_s(a2, lowerA), i32x4.dot_i16x8_s(b2, lowerB)));
      const four3 = v128.load(p + 3 * stride);
      const a3 = firstTwo(four3);
      const b3 = nextTwo(four3);
      high3 = i32x4.add(high3, i32x4.add(i32x4.dot_i16x8_s(a3, upperA), i32x4.dot_i16x8_s(b3, upperB)));
      low3 = i32x4.add(low3, i32x4.add(i32x4.dot_i16x8_s(a3, lowerA), i32x4.dot_i16x8_s(b3, lowerB)));
    }
    const bytes = i8x16.narrow_i16x8_u(
      i16x8.narrow_i32x4_s(pillowSum(high0, low0), pillowSum(high1, low1)),
      i16x8.narrow_i32x4_s(pillowSum(high2, low2), pillowSum(high3, low3)),
    );
    v128.store32_lane(out, bytes, 0);
    v128.store32_lane(out + outStride, bytes, 1);
    v128.store32_lane(out + 2 * outStride, bytes, 2);
    v128.store32_lane(out + 3 * outStride, bytes, 3);
  }
}

function pillowSum(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION_BITS);
}

/**
 * One row of Pillow's vertical pass: `values` bytes of `pairs` × 2 rows, `stride` bytes apart. Weights of two rows are
 * four 16-bit numbers: upper parts, then lower parts.
 */
export function pillowColumn(
  source: usize,
  stride: usize,
  weights: usize,
  pairs: usize,
  out: usize,
  values: usize,
): void {
  const half = i32x4.splat(1 << (PRECISION_BITS - 1));
  for (let i: usize = 0; i < values; i += 8) {
    let high0 = i32x4.splat(0);
    let high1 = high0;
    let low0 = half;
    let low1 = half;
    let p = source + i;
    for (let k: usize = 0; k < pairs; k++, p += 2 * stride) {
      const upper = v128.load32_splat(weights + (k << 3));
      const lower = v128.load32_splat(weights + (k << 3), 4);
      const both = interleaveLow(v128.load64_zero(p), v128.load64_zero(p + stride));
      const a = i16x8.extend_low_i8x16_u(both);
      const b = i16x8.extend_high_i8x16_u(both);
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(a, upper));
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(a, lower));
      high1 = i32x4.add(high1, i32x4.dot_i16x8_s(b, upper));
      low1 = i32x4.add(low1, i32x4.dot_i16x8_s(b, lower));
    }
    const words = i16x8.narrow_i32x4_s(pillowSum(high0, low0), pillowSum(high1, low1));
    v128.store64_lane(out + i, i8x16.narrow_i16x8_u(words, words), 0);
  }
}

/** OpenCV's INTER_RESIZE_COEF_BITS, on both axes. */
const COEF_BITS: i32 = 11;

/**
 * One row of OpenCV's horizontal Lanczos pass: for each of `count` pixels eight pixels from byte `first[x]` on, to three
 * 32-bit sums. Weights are eight 16-bit numbers a pixel.
 */
export function lanczosRow(source: usize, first: usize, weights: usize, out: usize, count: usize): void {
  for (let x: usize = 0; x < count; x++, out += 12, weights += 16) {
    const p = source + load<u32>(first + (x << 2));
    const a = v128.load(p);
    const b = v128.load(p, 12);
    let sum = i32x4.dot_i16x8_s(firstTwo(a), v128.load32_splat(weights));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(nextTwo(a), v128.load32_splat(weights, 4)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(firstTwo(b), v128.load32_splat(weights, 8)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(nextTwo(b), v128.load32_splat(weights, 12)));
    v128.store(out, sum);
  }
}

/**
 * One row of the vertical pass: eight rows of `values` 32-bit sums, at the addresses that `rows` holds, to bytes. Weights
 * are eight 32-bit numbers.
 */
export function lanczosColumn(rows: usize, weights: usize, out: usize, values: usize): void {
  const half = i32x4.splat(1 << (2 * COEF_BITS - 1));
  for (let i: usize = 0; i < values; i += 16) {
    let s0 = half;
    let s1 = half;
    let s2 = half;
    let s3 = half;
    for (let k: usize = 0; k < 32; k += 4) {
      const row = (load<u32>(rows + k) as usize) + (i << 2);
      const w = v128.load32_splat(weights + k);
      s0 = i32x4.add(s0, i32x4.mul(v128.load(row), w));
      s1 = i32x4.add(s1, i32x4.mul(v128.load(row, 16), w));
      s2 = i32x4.add(s2, i32x4.mul(v128.load(row, 32), w));
      s3 = i32x4.add(s3, i32x4.mul(v128.load(row, 48), w));
    }
    const low = i16x8.narrow_i32x4_s(i32x4.shr_s(s0, 2 * COEF_BITS), i32x4.shr_s(s1, 2 * COEF_BITS));
    const high = i16x8.narrow_i32x4_s(i32x4.shr_s(s2, 2 * COEF_BITS), i32x4.shr_s(s3, 2 * COEF_BITS));
    v128.store(out + i, i8x16.narrow_i16x8_u(low, high));
  }
}

/**
 * Pixels of `length` bytes to sRGB, in place. `tables` are 256 × 4 floats for red, then green, then blue: what a value
 * adds to linear red, green and blue, in steps of the table at `encoded`, whose last step is `most`.
 */
export function toSrgb(pixels: usize, length: usize, tables: usize, encoded: usize, most: i32): void {
  const zero = f32x4.splat(0);
  const limit = f32x4.splat(most as f32);
  const half = f32x4.splat(0.5);
  const end = pixels + length;
  for (let p = pixels; p < end; p += 3) {
    const red = v128.load(tables + ((load<u8>(p) as usize) << 4));
    const green = v128.load(tables + 4096 + ((load<u8>(p, 1) as usize) << 4));
    const blue = v128.load(tables + 8192 + ((load<u8>(p, 2) as usize) << 4));
    const light = f32x4.add(f32x4.add(red, green), f32x4.add(blue, half));
    const step = i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(light, zero), limit));
    store<u8>(p, load<u8>(encoded + i32x4.extract_lane(step, 0)));
    store<u8>(p, load<u8>(encoded + i32x4.extract_lane(step, 1)), 1);
    store<u8>(p, load<u8>(encoded + i32x4.extract_lane(step, 2)), 2);
  }
}
