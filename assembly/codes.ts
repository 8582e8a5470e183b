/**
 * What an IVF index computes, in WebAssembly SIMD: `node scripts/build-kernels.ts` makes src/knn/ivf-kernels.generated.ts
 * of it. All memory is the caller's (src/knn/ivf-memory.ts).
 *
 * Products are of signed bytes (-127 to 127) with bytes of 0 to 127: for these `relaxed_dot_i8x16_i7x16_add_s` is exact and
 * the same on every machine, and one instruction for 16 products where the processor has such (VNNI, SDOT).
 */

function sumOf(lanes: v128): i32 {
  return (
    i32x4.extract_lane(lanes, 0) +
    i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) +
    i32x4.extract_lane(lanes, 3)
  );
}

/** The sums of four lanes of four vectors. */
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return i32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/**
 * For each row the centre with the greatest product, of equal ones the first.
 *
 * @param rows signed bytes
 * @param rowCount a multiple of 4: what lies behind the last row is read, and written to `best`
 * @param centres bytes of 0 to 127
 * @param centreCount a multiple of 2
 * @param stride bytes a row and a centre, a multiple of 16
 * @param best two int32 a row: the greatest product yet and its centre
 * @param first number of the first of these centres
 */
export function nearest(
  rows: usize,
  rowCount: i32,
  centres: usize,
  centreCount: i32,
  stride: usize,
  best: usize,
  first: i32,
): void {
  for (let r = 0; r < rowCount; r += 4) {
    const row = rows + <usize>r * stride;
    const to = best + ((<usize>r) << 3);
    for (let c = 0; c < centreCount; c += 2) {
      const centre = centres + <usize>c * stride;
      let s00 = i32x4.splat(0);
      let s01 = i32x4.splat(0);
      let s10 = i32x4.splat(0);
      let s11 = i32x4.splat(0);
      let s20 = i32x4.splat(0);
      let s21 = i32x4.splat(0);
      let s30 = i32x4.splat(0);
      let s31 = i32x4.splat(0);
      for (let i: usize = 0; i < stride; i += 16) {
        const c0 = v128.load(centre + i);
        const c1 = v128.load(centre + stride + i);
        const p = row + i;
        const r0 = v128.load(p);
        s00 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r0, c0, s00);
        s01 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r0, c1, s01);
        const r1 = v128.load(p + stride);
        s10 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r1, c0, s10);
        s11 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r1, c1, s11);
        const r2 = v128.load(p + 2 * stride);
        s20 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r2, c0, s20);
        s21 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r2, c1, s21);
        const r3 = v128.load(p + 3 * stride);
        s30 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r3, c0, s30);
        s31 = i32x4.relaxed_dot_i8x16_i7x16_add_s(r3, c1, s31);
      }
      const number = first + c;
      beat(to, sumOf(s00), number);
      beat(to, sumOf(s01), number + 1);
      beat(to + 8, sumOf(s10), number);
      beat(to + 8, sumOf(s11), number + 1);
      beat(to + 16, sumOf(s20), number);
      beat(to + 16, sumOf(s21), number + 1);
      beat(to + 24, sumOf(s30), number);
      beat(to + 24, sumOf(s31), number + 1);
    }
  }
}

function beat(best: usize, product: i32, number: i32): void {
  if (product <= load<i32>(best)) return;
  store<i32>(best, product);
  store<i32>(best, number, 4);
}

/**
 * Products of one row of signed bytes with centres, to int32 numbers: up to three more than there are centres are written,
 * and so many centres behind the last are read.
 */
export function products(row: usize, centres: usize, centreCount: i32, stride: usize, out: usize): void {
  for (let c = 0; c < centreCount; c += 4) {
    const c0 = centres + <usize>c * stride;
    const c1 = c0 + stride;
    const c2 = c1 + stride;
    const c3 = c2 + stride;
    let s0 = i32x4.splat(0);
    let s1 = i32x4.splat(0);
    let s2 = i32x4.splat(0);
    let s3 = i32x4.splat(0);
    let t0 = i32x4.splat(0);
    let t1 = i32x4.splat(0);
    let t2 = i32x4.splat(0);
    let t3 = i32x4.splat(0);
    for (let i: usize = 0; i < stride; i += 32) {
      const q = v128.load(row + i);
      s0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(c0 + i), s0);
      s1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(c1 + i), s1);
      s2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(c2 + i), s2);
      s3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q, v128.load(c3 + i), s3);
      const p = v128.load(row + i, 16);
      t0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(p, v128.load(c0 + i, 16), t0);
      t1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(p, v128.load(c1 + i, 16), t1);
      t2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(p, v128.load(c2 + i, 16), t2);
      t3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(p, v128.load(c3 + i, 16), t3);
    }
    v128.store(
      out + ((<usize>c) << 2),
      sumsOf(i32x4.add(s0, t0), i32x4.add(s1, t1), i32x4.add(s2, t2), i32x4.add(s3, t3)),
    );
  }
}

/**
 * Product of a query with one plane of a code: two bits a number. Byte i of 16 holds numbers i, 16 + i, 32 + i and 48 + i
 * of 64, from its low bits up.
 */
function planeOf(plane: usize, query: usize, stride: usize): i32 {
  const two = i8x16.splat(3);
  let s0 = i32x4.splat(0);
  let s1 = i32x4.splat(0);
  let s2 = i32x4.splat(0);
  let s3 = i32x4.splat(0);
  let q = query;
  for (let i: usize = 0; i < stride; i += 16) {
    const all = v128.load(plane + i);
    s0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(q), v128.and(all, two), s0);
    s1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(q, 16), v128.and(i16x8.shr_u(all, 2), two), s1);
    s2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(q, 32), v128.and(i16x8.shr_u(all, 4), two), s2);
    s3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(q, 48), v128.and(i16x8.shr_u(all, 6), two), s3);
    q += 64;
  }
  return sumOf(i32x4.add(i32x4.add(s0, s1), i32x4.add(s2, s3)));
}

/**
 * The same of four planes, one after the other: a product waits for the one before it, so as many as there are registers
 * for go side by side.
 * @returns the four products
 */
function planesOf(planes: usize, query: usize, stride: usize): v128 {
  const two = i8x16.splat(3);
  const b = planes + stride;
  const c = b + stride;
  const d = c + stride;
  let s0 = i32x4.splat(0);
  let s1 = i32x4.splat(0);
  let s2 = i32x4.splat(0);
  let s3 = i32x4.splat(0);
  let t0 = i32x4.splat(0);
  let t1 = i32x4.splat(0);
  let t2 = i32x4.splat(0);
  let t3 = i32x4.splat(0);
  let at = query;
  for (let i: usize = 0; i < stride; i += 16) {
    const w = v128.load(planes + i);
    const x = v128.load(b + i);
    const y = v128.load(c + i);
    const z = v128.load(d + i);
    const q0 = v128.load(at);
    s0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q0, v128.and(w, two), s0);
    s1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q0, v128.and(x, two), s1);
    s2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q0, v128.and(y, two), s2);
    s3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q0, v128.and(z, two), s3);
    const q1 = v128.load(at, 16);
    t0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q1, v128.and(i16x8.shr_u(w, 2), two), t0);
    t1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q1, v128.and(i16x8.shr_u(x, 2), two), t1);
    t2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q1, v128.and(i16x8.shr_u(y, 2), two), t2);
    t3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q1, v128.and(i16x8.shr_u(z, 2), two), t3);
    const q2 = v128.load(at, 32);
    s0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q2, v128.and(i16x8.shr_u(w, 4), two), s0);
    s1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q2, v128.and(i16x8.shr_u(x, 4), two), s1);
    s2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q2, v128.and(i16x8.shr_u(y, 4), two), s2);
    s3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q2, v128.and(i16x8.shr_u(z, 4), two), s3);
    const q3 = v128.load(at, 48);
    t0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q3, v128.and(i16x8.shr_u(w, 6), two), t0);
    t1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q3, v128.and(i16x8.shr_u(x, 6), two), t1);
    t2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q3, v128.and(i16x8.shr_u(y, 6), two), t2);
    t3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(q3, v128.and(i16x8.shr_u(z, 6), two), t3);
    at += 64;
  }
  return sumsOf(i32x4.add(s0, t0), i32x4.add(s1, t1), i32x4.add(s2, t2), i32x4.add(s3, t3));
}

/**
 * Estimates of the rows of a cell; those that reach a threshold are written down; one that is not a number does not. By the high
 * planes of their codes most rows are known not to reach it; the low planes of the others are looked at.
 *
 * @param high planes of the rows, one after the other: up to three behind the last are read
 * @param low the same
 * @param stride bytes a plane, a multiple of 16
 * @param factors a float32 a row: what its code's product is to be multiplied with
 * @param query signed bytes, 4 × stride of them
 * @param base added to each estimate: the product of the query with the cell's centre
 * @param scale of the query's bytes
 * @param bias subtracted from each product: what the codes' zero point gives
 * @param middle what the low planes give on the average: 1.5 × the sum of the query's bytes
 * @param slack by how much of its factor an estimate by the high plane may be short of the threshold
 * @param positions receives the numbers of these rows (uint32), counted from the first
 * @param estimates receives their estimates (float32)
 * @returns how many
 */
export function scan(
  high: usize,
  low: usize,
  stride: usize,
  factors: usize,
  count: i32,
  query: usize,
  base: f32,
  scale: f32,
  bias: f32,
  middle: f32,
  slack: f32,
  threshold: f32,
  positions: usize,
  estimates: usize,
): i32 {
  let found = 0;
  const wide = f32x4.splat(base);
  const bound = f32x4.splat(threshold);
  const margin = f32x4.splat(slack);
  const shift = f32x4.splat(middle - bias);
  for (let r = 0; r < count; r += 4) {
    const at = <usize>r * stride;
    let products = i32x4.shl(planesOf(high + at, query, stride), 2);
    const four = v128.load(factors + ((<usize>r) << 2));
    const terms = f32x4.add(
      f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(products), shift), f32x4.splat(scale)),
      margin,
    );
    let reached = i32x4.bitmask(f32x4.ge(f32x4.add(wide, f32x4.mul(four, terms)), bound));
    if (count - r < 4) reached &= (1 << (count - r)) - 1;
    // The product of each row comes to the front in its turn.
    for (let row = r; reached !== 0; row++) {
      const product = i32x4.extract_lane(products, 0);
      products = i32x4.shuffle(products, products, 1, 2, 3, 0);
      const reaches = reached & 1;
      reached >>= 1;
      if (reaches === 0) continue;
      const factor = load<f32>(factors + ((<usize>row) << 2));
      const low2 = planeOf(low + <usize>row * stride, query, stride);
      const estimate = base + factor * (scale * (<f32>(product + low2) - bias));
      if (estimate >= threshold) {
        const to = (<usize>found) << 2;
        store<u32>(positions + to, row);
        store<f32>(estimates + to, estimate);
        found++;
      }
    }
  }
  return found;
}

/** The same of rows here and there: `positions` says which, and all their estimates are written down. */
export function scanSome(
  high: usize,
  low: usize,
  stride: usize,
  factors: usize,
  positions: usize,
  count: i32,
  query: usize,
  base: f32,
  scale: f32,
  bias: f32,
  estimates: usize,
): void {
  for (let i = 0; i < count; i++) {
    const to = (<usize>i) << 2;
    const r = <usize>load<u32>(positions + to);
    const at = r * stride;
    const product = (planeOf(high + at, query, stride) << 2) + planeOf(low + at, query, stride);
    const factor = load<f32>(factors + (r << 2));
    store<f32>(estimates + to, base + factor * (scale * (<f32>product - bias)));
  }
}

/**
 * Inner products of a row of float32 numbers with rows of float16 ones, and of these with themselves, added up in double
 * precision: two float64 numbers a row.
 */
export function halfDots(query: usize, rows: usize, count: i32, dimension: i32, out: usize): void {
  const stride = (<usize>dimension) << 1;
  for (let r = 0; r < count; r++) {
    const row = rows + <usize>r * stride;
    let sums = f64x2.splat(0);
    let squares = f64x2.splat(0);
    let i = 0;
    for (; i + 4 <= dimension; i += 4) {
      const x = floats(v128.load16x4_u(row + ((<usize>i) << 1)));
      const product = f32x4.mul(v128.load(query + ((<usize>i) << 2)), x);
      const square = f32x4.mul(x, x);
      sums = f64x2.add(sums, f64x2.promote_low_f32x4(product));
      sums = f64x2.add(sums, f64x2.promote_low_f32x4(i64x2.shuffle(product, product, 1, 1)));
      squares = f64x2.add(squares, f64x2.promote_low_f32x4(square));
      squares = f64x2.add(squares, f64x2.promote_low_f32x4(i64x2.shuffle(square, square, 1, 1)));
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    let own = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
    for (; i < dimension; i++) {
      const x = f32x4.extract_lane(floats(i32x4.splat(load<u16>(row + ((<usize>i) << 1)))), 0);
      sum += <f64>(load<f32>(query + ((<usize>i) << 2)) * x);
      own += <f64>(x * x);
    }
    const to = out + ((<usize>r) << 4);
    store<f64>(to, sum);
    store<f64>(to, own, 8);
  }
}

/** Four float16 numbers, in the low halves of four, as float32: their bits shifted into place are 2^-112 of the value. */
function floats(halves: v128): v128 {
  const magnitude = i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), sign);
}

/** The same of rows of float32 numbers. */
export function floatDots(query: usize, rows: usize, count: i32, dimension: i32, out: usize): void {
  const stride = (<usize>dimension) << 2;
  for (let r = 0; r < count; r++) {
    const row = rows + <usize>r * stride;
    let sums = f64x2.splat(0);
    let squares = f64x2.splat(0);
    let i = 0;
    for (; i + 2 <= dimension; i += 2) {
      const at = (<usize>i) << 2;
      const x = f64x2.promote_low_f32x4(v128.load64_zero(row + at));
      const q = f64x2.promote_low_f32x4(v128.load64_zero(query + at));
      sums = f64x2.add(sums, f64x2.mul(x, q));
      squares = f64x2.add(squares, f64x2.mul(x, x));
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    let own = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
    if (i < dimension) {
      const at = (<usize>i) << 2;
      const x = <f64>load<f32>(row + at);
      sum += x * <f64>load<f32>(query + at);
      own += x * x;
    }
    const to = out + ((<usize>r) << 4);
    store<f64>(to, sum);
    store<f64>(to, own, 8);
  }
}

/**
 * Rotates a row of float32 numbers where it is: for each round, signs, then the Walsh-Hadamard transform of its first
 * `width` numbers, or of its last by turns, which keeps lengths.
 *
 * @param signs +1 or -1 (float32), `dimension` of them a round
 * @param width a power of two, at most the dimension
 */
export function rotate(row: usize, signs: usize, rounds: i32, dimension: i32, width: i32): void {
  const scale = <f32>(1.0 / Math.sqrt(<f64>width));
  for (let round = 0; round < rounds; round++) {
    const mine = signs + ((<usize>round * <usize>dimension) << 2);
    for (let i = 0; i < dimension; i++) {
      const at = (<usize>i) << 2;
      store<f32>(row + at, load<f32>(row + at) * load<f32>(mine + at));
    }
    const from = row + (round & 1 ? (<usize>(dimension - width)) << 2 : 0);
    for (let half = 1; half < width; half <<= 1) {
      const apart = (<usize>half) << 2;
      for (let start = 0; start < width; start += half << 1) {
        const first = from + ((<usize>start) << 2);
        if (half < 4)
          for (let i: usize = 0; i < apart; i += 4) {
            const a = load<f32>(first + i);
            const b = load<f32>(first + apart + i);
            store<f32>(first + i, a + b);
            store<f32>(first + apart + i, a - b);
          }
        else
          for (let i: usize = 0; i < apart; i += 16) {
            const a = v128.load(first + i);
            const b = v128.load(first + apart + i);
            v128.store(first + i, f32x4.add(a, b));
            v128.store(first + apart + i, f32x4.sub(a, b));
          }
      }
    }
    for (let i = 0; i < width; i++) {
      const at = from + ((<usize>i) << 2);
      store<f32>(at, load<f32>(at) * scale);
    }
  }
}
