import type { RgbImage } from '../schema/index.ts';
import type { Window } from './resample.ts';

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

/** cos and sin of (k·3π/4 + π) as interpolateLanczos4 has them, so that one sin and one cos serve eight weights. */
const S45 = Math.SQRT1_2;
const TURNS = [
  [1, 0],
  [-S45, -S45],
  [0, 1],
  [S45, -S45],
  [-1, 0],
  [S45, S45],
  [0, -1],
  [-S45, S45],
] as const;

function taps(from: number, to: number, start: number, length: number): Taps {
  const scale = from / to;
  const first = new Int32Array(length);
  const weights = new Int32Array(length * TAPS);
  for (let i = 0; i < length; i++) {
    const at = Math.fround((start + i + 0.5) * scale - 0.5);
    const floor = Math.floor(at);
    first[i] = floor - 3;
    weights.set(lanczos4(Math.fround(at - floor)), i * TAPS);
  }
  return { first, weights };
}

/** interpolateLanczos4 (modules/imgproc/src/resize.cpp) in its single precision, then fixed point. */
function lanczos4(x: number): number[] {
  const start = -(x + 3) * Math.PI * 0.25;
  const [sin, cos] = [Math.sin(start), Math.cos(start)];
  let sum = 0;
  const exact = TURNS.map(([s, c], i) => {
    const distance = Math.fround(x + 3 - i);
    const y = -distance * Math.PI * 0.25;
    // On a pixel that one alone counts: its weight dwarfs the others.
    const weight = Math.abs(distance) >= 1e-6 ? Math.fround((s * sin + c * cos) / (y * y)) : 1e30;
    sum = Math.fround(sum + weight);
    return weight;
  });
  const norm = Math.fround(1 / sum);
  return exact.map((weight) => Math.round(Math.fround(weight * norm) * (1 << COEF_BITS)));
}

/**
 * Resizes to `width` × `height` pixels by OpenCV's INTER_LANCZOS4 on bytes: 8 × 8 weights of 11 bits, the border pixel
 * repeated, no clipping between the passes.
 *
 * @returns the `window` of the result
 */
export function enlargeByLanczos(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  const columns = taps(image.width, width, window.left, window.width);
  const rows = taps(image.height, height, window.top, window.height);
  const stride = window.width * 3;
  // Rows of the source, brought to the target's width once each: neighbouring rows of the target share most of them.
  const narrowed = new Map<number, Int32Array>();
  const out = new Uint8ClampedArray(stride * window.height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < window.height; y++) {
    const begin = rows.first[y]!;
    for (const row of narrowed.keys()) if (row < begin) narrowed.delete(row);
    sums.fill(HALF);
    for (let k = 0; k < TAPS; k++) {
      const weight = rows.weights[y * TAPS + k]!;
      const index = Math.min(Math.max(begin + k, 0), image.height - 1);
      const row = narrowed.get(index) ?? narrow(image, index, columns);
      narrowed.set(index, row);
      for (let i = 0; i < stride; i++) sums[i] = (sums[i]! + Math.imul(row[i]!, weight)) | 0;
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = sums[i]! >> (2 * COEF_BITS);
  }
  return { data: new Uint8Array(out.buffer), width: window.width, height: window.height };
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
      const p = (row + Math.min(Math.max(first[x]! + k, 0), width - 1)) * 3;
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
