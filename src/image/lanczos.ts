import type { RgbImage } from '../schema/index.ts';
import { type Canvas, lay, type Window } from './canvas.ts';
import { arena, bytesOf } from './kernels.ts';

/** OpenCV's INTER_LANCZOS4 takes 4 pixels to each side, whatever the scale. */
const TAPS = 8;
/** INTER_RESIZE_COEF_BITS: weights are fixed-point numbers of 11 bits, on both axes. */
const COEF_BITS = 11;
const HALF = 1 << (2 * COEF_BITS - 1);

interface Taps {
  /** First of the eight source pixels: it may lie before the first and the eighth behind the last. */
  readonly first: Int32Array;
  readonly weights: Int32Array;
}

/** Weights of sin and cos for each tap, as interpolateLanczos4 has them: one sin and one cos serve eight weights. */
const S45 = Math.SQRT1_2;
const OF_SIN = [1, -S45, 0, S45, -1, S45, 0, -S45] as const;
const OF_COS = [0, -S45, 1, -S45, 0, S45, -1, S45] as const;

function taps(from: number, to: number, start: number, length: number): Taps {
  const scale = from / to;
  const first = new Int32Array(length);
  const weights = new Int32Array(length * TAPS);
  for (let i = 0; i < length; i++) {
    const at = Math.fround((start + i + 0.5) * scale - 0.5);
    const floor = Math.floor(at);
    first[i] = floor - 3;
    lanczos4(Math.fround(at - floor), weights, i * TAPS);
  }
  return { first, weights };
}

const exact = new Float32Array(TAPS);

/** interpolateLanczos4 (modules/imgproc/src/resize.cpp) in its single precision, then fixed point, to `out` from `at`. */
function lanczos4(x: number, out: Int32Array, at: number): void {
  const start = -(x + 3) * Math.PI * 0.25;
  const sin = Math.sin(start);
  const cos = Math.cos(start);
  let sum = 0;
  for (let i = 0; i < TAPS; i++) {
    const distance = Math.fround(x + 3 - i);
    const y = -distance * Math.PI * 0.25;
    // On a pixel that one alone counts: its weight dwarfs the others.
    exact[i] = Math.abs(distance) >= 1e-6 ? (OF_SIN[i]! * sin + OF_COS[i]! * cos) / (y * y) : 1e30;
    sum = Math.fround(sum + exact[i]!);
  }
  const norm = Math.fround(1 / sum);
  for (let i = 0; i < TAPS; i++) out[at + i] = Math.round(Math.fround(exact[i]! * norm) * (1 << COEF_BITS));
}

/**
 * Resizes to `width` × `height` pixels by OpenCV's INTER_LANCZOS4 on bytes: 8 × 8 weights of 11 bits, the border pixel
 * repeated, no clipping between the passes. The `window` of the result is written on `canvas`.
 */
export function enlargeByLanczos(
  image: RgbImage,
  { width, height }: { readonly width: number; readonly height: number },
  window: Window,
  canvas: Canvas,
): void {
  const columns = taps(image.width, width, window.left, window.width);
  const rows = taps(image.height, height, window.top, window.height);
  if (!bySimd(image, columns, rows, canvas)) byNumbers(image, columns, rows, canvas);
}

/** @returns false, and nothing done, where that needs more memory than the kernels have */
function bySimd({ data, width, height }: RgbImage, columns: Taps, rows: Taps, canvas: Canvas): boolean {
  const [targetWidth, targetHeight] = [columns.first.length, rows.first.length];
  const values = targetWidth * 3;
  const top = clamp(rows.first[0]!, height);
  const bottom = clamp(rows.first[targetHeight - 1]! + TAPS - 1, height) + 1;
  // Columns that the window needs, some of them beyond the picture's edges.
  const left = columns.first[0]!;
  const right = columns.first[targetWidth - 1]! + TAPS;
  const memory = arena(
    targetWidth * TAPS * 2,
    targetWidth * 4,
    (right - left) * 3,
    (bottom - top) * values * 4,
    TAPS * 4,
    targetHeight * TAPS * 4,
    targetHeight * values,
  );
  if (!memory) return false;
  const { kernels, bytes } = memory;
  const [acrossAt = 0, firstAt = 0, rowAt = 0, narrowAt = 0, tableAt = 0, downAt = 0, outAt = 0] = memory.at;
  bytes.set(bytesOf(new Int16Array(columns.weights)), acrossAt);
  bytes.set(bytesOf(columns.first.map((pixel) => (pixel - left) * 3)), firstAt);
  bytes.set(bytesOf(rows.weights), downAt);
  const [from, to] = [Math.max(0, left), Math.min(width, right)];
  for (let y = top; y < bottom; y++) {
    const source = data.subarray((y * width + from) * 3, (y * width + to) * 3);
    for (let x = left; x < from; x++) bytes.set(source.subarray(0, 3), rowAt + (x - left) * 3);
    bytes.set(source, rowAt + (from - left) * 3);
    for (let x = to; x < right; x++) bytes.set(source.subarray(-3), rowAt + (x - left) * 3);
    kernels.lanczosRow(rowAt, firstAt, acrossAt, narrowAt + (y - top) * values * 4, targetWidth);
  }
  const table = new Int32Array(bytes.buffer, tableAt, TAPS);
  for (let y = 0; y < targetHeight; y++) {
    for (let k = 0; k < TAPS; k++)
      table[k] = narrowAt + (clamp(rows.first[y]! + k, height) - top) * values * 4;
    kernels.lanczosColumn(tableAt, downAt + y * TAPS * 4, outAt + y * values, values);
  }
  lay(canvas, 0, bytes.subarray(outAt, outAt + targetHeight * values), targetWidth);
  return true;
}

function clamp(index: number, length: number): number {
  return Math.min(Math.max(index, 0), length - 1);
}

/** The same in JavaScript, for what the kernels have no memory for. */
function byNumbers(image: RgbImage, columns: Taps, rows: Taps, canvas: Canvas): void {
  const values = columns.first.length * 3;
  // Rows of the source, brought to the target's width once each: neighbouring rows of the target share most of them.
  const narrowed = new Map<number, Int32Array>();
  const out = new Uint8ClampedArray(canvas.data.buffer, canvas.data.byteOffset, canvas.data.byteLength);
  const sums = new Int32Array(values);
  for (let y = 0; y < rows.first.length; y++) {
    const begin = rows.first[y]!;
    for (const row of narrowed.keys()) if (row < begin) narrowed.delete(row);
    sums.fill(HALF);
    for (let k = 0; k < TAPS; k++) {
      const weight = rows.weights[y * TAPS + k]!;
      const index = clamp(begin + k, image.height);
      const row = narrowed.get(index) ?? narrow(image, index, columns);
      narrowed.set(index, row);
      for (let i = 0; i < values; i++) sums[i] = (sums[i]! + Math.imul(row[i]!, weight)) | 0;
    }
    const at = ((canvas.top + y) * canvas.width + canvas.left) * 3;
    for (let i = 0; i < values; i++) out[at + i] = sums[i]! >> (2 * COEF_BITS);
  }
}

function narrow({ data, width }: RgbImage, y: number, { first, weights }: Taps): Int32Array {
  const out = new Int32Array(first.length * 3);
  const row = y * width;
  for (let x = 0, to = 0; x < first.length; x++) {
    let r = 0;
    let g = 0;
    let b = 0;
    for (let k = 0; k < TAPS; k++) {
      const weight = weights[x * TAPS + k]!;
      const p = (row + clamp(first[x]! + k, width)) * 3;
      r += data[p]! * weight;
      g += data[p + 1]! * weight;
      b += data[p + 2]! * weight;
    }
    out[to++] = r;
    out[to++] = g;
    out[to++] = b;
  }
  return out;
}
