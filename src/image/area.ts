import type { RgbImage } from '../schema/index.ts';
import type { Window } from './resample.ts';

/** For each target pixel: the first source pixel, how many, and their shares of the area (`taps` places each). */
interface Cells {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly shares: Float32Array;
  readonly taps: number;
}

/** OpenCV's computeResizeAreaTab (modules/imgproc/src/resize.cpp), `length` cells from `start` on. */
function cells(from: number, to: number, start: number, length: number): Cells {
  const scale = from / to;
  const taps = Math.ceil(scale) + 2;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const shares = new Float32Array(length * taps);
  for (let i = 0; i < length; i++) {
    const begin = (start + i) * scale;
    const end = begin + scale;
    const cell = Math.min(scale, from - begin);
    const inner = Math.min(Math.ceil(begin), from - 1);
    const last = Math.max(inner, Math.min(Math.floor(end), from - 1));
    let at = i * taps;
    // A sliver of less than a thousandth of a pixel is left out, at either end.
    const hasHead = inner - begin > 1e-3;
    if (hasHead) shares[at++] = (inner - begin) / cell;
    for (let k = inner; k < last; k++) shares[at++] = 1 / cell;
    if (end - last > 1e-3) shares[at++] = Math.min(end - last, 1, cell) / cell;
    first[i] = hasHead ? inner - 1 : inner;
    count[i] = at - i * taps;
  }
  return { first, count, shares, taps };
}

/**
 * Shrinks to `width` × `height` pixels by the mean over the covered area, pixels that are covered in part counting by
 * their part: OpenCV's INTER_AREA, within one level of it. Neither side may grow.
 *
 * @returns the `window` of the result
 */
export function shrinkByArea(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  const columns = cells(image.width, width, window.left, window.width);
  const rows = cells(image.height, height, window.top, window.height);
  const stride = image.width * 3;
  const { data } = image;
  const line = new Float32Array(stride);
  const out = new Uint8ClampedArray(window.width * window.height * 3);
  let at = 0;
  for (let y = 0; y < window.height; y++) {
    line.fill(0);
    for (let k = 0; k < rows.count[y]!; k++) {
      const share = rows.shares[y * rows.taps + k]!;
      const row = (rows.first[y]! + k) * stride;
      for (let i = 0; i < stride; i++) line[i] = line[i]! + data[row + i]! * share;
    }
    for (let x = 0; x < window.width; x++) {
      let r = 0;
      let g = 0;
      let b = 0;
      let p = columns.first[x]! * 3;
      const end = x * columns.taps + columns.count[x]!;
      for (let k = x * columns.taps; k < end; k++, p += 3) {
        const share = columns.shares[k]!;
        r += line[p]! * share;
        g += line[p + 1]! * share;
        b += line[p + 2]! * share;
      }
      out[at++] = r;
      out[at++] = g;
      out[at++] = b;
    }
  }
  return { data: new Uint8Array(out.buffer), width: window.width, height: window.height };
}
