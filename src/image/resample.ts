/**
 * Pillow's 8-bit resampling (libImaging/Resample.c), bit for bit: separable, support widened by the ratio when the
 * picture shrinks (antialiased), coefficients in fixed point, an 8-bit picture between the two passes. CLIP's
 * preprocessing is defined by it, so a score agrees with other tools' only if the pixels do. Compared on 900 pictures
 * of noise with Pillow 11.3, 12.0 and 12.2: equal in every pixel. Pillow 13.0 resizes some pairs of sizes otherwise.
 */
import type { RgbImage } from '../schema/index.ts';

/** `box` is the mean over the covered area; `bicubic` has a = -0.5. */
export type ResampleFilter = 'box' | 'bilinear' | 'bicubic';

/** Pillow's PRECISION_BITS: 32 bits less 8 for the result and 2 for overshoot. */
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

interface Kernel {
  /** Half the width of the filter, in source pixels at ratio 1. */
  readonly support: number;
  weight(x: number): number;
}

const KERNELS: Readonly<Record<ResampleFilter, Kernel>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
};

function bicubic(signed: number): number {
  const x = Math.abs(signed);
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** A part of the target, in its pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** For each target pixel: the first source pixel, how many, and their weights (`taps` places each). */
interface Coefficients {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly taps: number;
}

/** For `length` of the `to` target pixels, from `start` on. */
function coefficients(from: number, to: number, start: number, length: number, kernel: Kernel): Coefficients {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = kernel.support * widening;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < length; i++) {
    const centre = (start + i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(centre - support + 0.5));
    const n = Math.min(from, Math.trunc(centre + support + 0.5)) - begin;
    let sum = 0;
    for (let k = 0; k < n; k++) {
      const w = kernel.weight((k + begin - centre + 0.5) * (1 / widening));
      exact[k] = w;
      sum += w;
    }
    for (let k = 0; k < n; k++) {
      const fixed = ((exact[k] ?? 0) / (sum || 1)) * (1 << PRECISION_BITS);
      weights[i * taps + k] = Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
    }
    first[i] = begin;
    count[i] = n;
  }
  return { first, count, weights, taps };
}

// The inner loops index typed arrays within the bounds that `coefficients` gave: `!` there costs no check a pixel.

/** Rows `top` to `bottom` of the source, each brought to the width of `c`. */
function horizontal(source: RgbImage, top: number, bottom: number, c: Coefficients): Uint8Array {
  const { first, count, weights, taps } = c;
  const { data, width } = source;
  const out = new Uint8Array(first.length * (bottom - top) * 3);
  let at = 0;
  for (let y = top; y < bottom; y++) {
    const row = y * width * 3;
    for (let x = 0; x < first.length; x++) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let p = row + first[x]! * 3;
      const end = x * taps + count[x]!;
      for (let k = x * taps; k < end; k++, p += 3) {
        const w = weights[k]!;
        r += data[p]! * w;
        g += data[p + 1]! * w;
        b += data[p + 2]! * w;
      }
      out[at++] = clip8(r);
      out[at++] = clip8(g);
      out[at++] = clip8(b);
    }
  }
  return out;
}

/** Columns of `source`, whose first row is row `top` of the picture, brought to the height of `c`. */
function vertical(source: Uint8Array, stride: number, top: number, c: Coefficients): Uint8Array {
  const { first, count, weights, taps } = c;
  const height = first.length;
  const out = new Uint8Array(stride * height);
  // Row by row into an accumulator: memory is read in order, which is several times faster than by columns.
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]!; k++) {
      const w = weights[y * taps + k]!;
      const row = (first[y]! - top + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] = sums[i]! + source[row + i]! * w;
    }
    const base = y * stride;
    for (let i = 0; i < stride; i++) out[base + i] = clip8(sums[i]!);
  }
  return out;
}

function clip8(sum: number): number {
  const value = sum >> PRECISION_BITS;
  if (value < 0) return 0;
  return Math.min(value, 255);
}

/**
 * Resizes to exactly `width` × `height` pixels, both at least 1, and gives the `window` of the result (all of it
 * without one). Only what the window needs is computed, so that a strip of 1 × 80,000 pixels can be brought to
 * CLIP's 224 × 17,920,000 and cropped. With nothing to change the image itself is returned, not a copy.
 */
export function resample(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResampleFilter,
  window: Window = { left: 0, top: 0, width, height },
): RgbImage {
  const whole = window.width === width && window.height === height;
  if (whole && width === image.width && height === image.height) return image;
  const kernel = KERNELS[filter];
  // At equal sizes each pixel has one weight of exactly 1: the pass that Pillow leaves out copies.
  const columns = coefficients(image.width, width, window.left, window.width, kernel);
  const rows = coefficients(image.height, height, window.top, window.height, kernel);
  const top = rows.first[0] ?? 0;
  const last = window.height - 1;
  const bottom = (rows.first[last] ?? 0) + (rows.count[last] ?? 0);
  const narrow = horizontal(image, top, bottom, columns);
  return { data: vertical(narrow, window.width * 3, top, rows), width: window.width, height: window.height };
}
