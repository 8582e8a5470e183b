/**
 * Pillow's 8-bit resampling (libImaging/Resample.c), bit for bit: separable, support widened by the ratio when the
 * picture shrinks (antialiased), coefficients in fixed point, an 8-bit picture between the two passes. CLIP's
 * preprocessing is defined by it, so a score agrees with other tools' only if the pixels do. Compared on 900 pictures
 * of noise with Pillow 11.3, 12.0 and 12.2, and on 400 more with 12.2: equal in every pixel.
 * Pillow 13.0 resizes some pairs of sizes otherwise.
 */
import type { RgbImage } from '../schema/index.ts';
import type { Window } from './canvas.ts';
import { arena, bytesOf } from './kernels.ts';

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

/** Source rows are handed over in strips of at least four rows and about this many bytes, to stay in the cache. */
const STRIP = 256 << 10;
/** Rows that a call of the horizontal kernel takes. */
const TOGETHER = 4;
/** A weight is handed over in two numbers of 16 bits: its upper part, and these lower bits. */
const LOW_BITS = 11;

/** Weights as the kernels take them: of `group` pixels the upper parts, then their lower parts; 0 where there is none. */
function split({ count, weights, taps }: Coefficients, group: number): { parts: Int16Array; groups: number } {
  const groups = Math.ceil(count.reduce((most, n) => Math.max(most, n), 0) / group);
  const parts = new Int16Array(count.length * groups * group * 2);
  for (let i = 0; i < count.length; i++)
    for (let k = 0; k < count[i]!; k++) {
      const within = k % group;
      const at = (i * groups + (k - within) / group) * 2 * group + within;
      const weight = weights[i * taps + k]!;
      parts[at] = weight >> LOW_BITS;
      parts[at + group] = weight & ((1 << LOW_BITS) - 1);
    }
  return { parts, groups };
}

/** @returns undefined where that needs more memory than the kernels have */
function bySimd(
  { data, width }: RgbImage,
  columns: Coefficients,
  rows: Coefficients,
): Uint8Array | undefined {
  const [targetWidth, targetHeight] = [columns.first.length, rows.first.length];
  const top = rows.first[0]!;
  const bottom = rows.first[targetHeight - 1]! + rows.count[targetHeight - 1]!;
  const across = split(columns, 4);
  const down = split(rows, 2);
  // Only the columns that the window needs are handed over.
  const left = columns.first[0]!;
  const right = columns.first[targetWidth - 1]! + columns.count[targetWidth - 1]!;
  const stride = (right - left) * 3;
  const stripRows = TOGETHER * Math.max(1, Math.floor(STRIP / stride / TOGETHER));
  const values = targetWidth * 3;
  const narrowStride = (values + 16) & ~15;
  const narrowRows = bottom - top + TOGETHER + 2 * down.groups;
  const place = arena(
    across.parts.byteLength,
    down.parts.byteLength,
    targetWidth * 4,
    stripRows * stride + across.groups * 12,
    narrowRows * narrowStride,
    targetHeight * values,
  );
  if (!place) return undefined;
  const { kernels, bytes } = place;
  const [acrossAt = 0, downAt = 0, firstAt = 0, sourceAt = 0, narrowAt = 0, outAt = 0] = place.at;
  bytes.set(bytesOf(across.parts), acrossAt);
  bytes.set(bytesOf(down.parts), downAt);
  bytes.set(bytesOf(columns.first.map((pixel) => (pixel - left) * 3)), firstAt);
  for (let strip = top; strip < bottom; strip += stripRows) {
    const n = Math.min(stripRows, bottom - strip);
    if (stride === width * 3) bytes.set(data.subarray(strip * stride, (strip + n) * stride), sourceAt);
    else
      for (let y = 0; y < n; y++) {
        const from = ((strip + y) * width + left) * 3;
        bytes.set(data.subarray(from, from + stride), sourceAt + y * stride);
      }
    for (let y = 0; y < n; y += TOGETHER)
      kernels.pillowRows(
        sourceAt + y * stride,
        stride,
        firstAt,
        acrossAt,
        across.groups,
        narrowAt + (strip - top + y) * narrowStride,
        narrowStride,
        targetWidth,
      );
  }
  for (let y = 0; y < targetHeight; y++)
    kernels.pillowColumn(
      narrowAt + (rows.first[y]! - top) * narrowStride,
      narrowStride,
      downAt + y * down.groups * 8,
      down.groups,
      outAt + y * values,
      values,
    );
  return bytes.slice(outAt, outAt + values * targetHeight);
}

/**
 * The same in JavaScript, for what the kernels have no memory for, and as a second opinion in the tests. One row of the
 * source is narrowed at a time and added to the rows of the target that it counts in: the sums are whole numbers, so
 * their order does not matter. The loops index typed arrays within the bounds that `coefficients` gave: `!` there costs
 * no check a pixel.
 */
function byNumbers(source: RgbImage, columns: Coefficients, rows: Coefficients): Uint8Array {
  const values = columns.first.length * 3;
  const height = rows.first.length;
  const out = new Uint8Array(values * height);
  const narrow = new Uint8Array(values);
  const sums = new Map<number, Int32Array>();
  for (let y = rows.first[0]!, opened = 0, closed = 0; closed < height; y++) {
    narrowRow(source, y, columns, narrow);
    for (; opened < height && rows.first[opened]! <= y; opened++)
      sums.set(opened, new Int32Array(values).fill(HALF));
    for (const [row, sum] of sums) {
      const w = rows.weights[row * rows.taps + y - rows.first[row]!]!;
      for (let i = 0; i < values; i++) sum[i] = sum[i]! + narrow[i]! * w;
    }
    for (
      let sum = sums.get(closed);
      sum && rows.first[closed]! + rows.count[closed]! <= y + 1;
      sum = sums.get(closed)
    ) {
      for (let i = 0; i < values; i++) out[closed * values + i] = clip8(sum[i]!);
      sums.delete(closed++);
    }
  }
  return out;
}

function narrowRow({ data, width }: RgbImage, y: number, c: Coefficients, out: Uint8Array): void {
  const { first, count, weights, taps } = c;
  for (let x = 0, at = 0; x < first.length; x++) {
    let r = HALF;
    let g = HALF;
    let b = HALF;
    let p = (y * width + first[x]!) * 3;
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
  // Pillow brings very tall pictures to their new height first (Image.resize), and rounds there.
  if (image.height > 100 * image.width && height < image.height) {
    const { left, top, width: shown, height: rows } = window;
    const low = passes(image, image.width, height, filter, {
      left: 0,
      top,
      width: image.width,
      height: rows,
    });
    return passes(low, width, rows, filter, { left, top: 0, width: shown, height: rows });
  }
  return passes(image, width, height, filter, window);
}

function passes(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResampleFilter,
  window: Window,
): RgbImage {
  const kernel = KERNELS[filter];
  // At equal sizes each pixel has one weight of exactly 1: the pass that Pillow leaves out copies.
  const columns = coefficients(image.width, width, window.left, window.width, kernel);
  const rows = coefficients(image.height, height, window.top, window.height, kernel);
  const data = bySimd(image, columns, rows) ?? byNumbers(image, columns, rows);
  return { data, width: window.width, height: window.height };
}
