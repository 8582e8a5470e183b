/** CLIP's way from a decoded picture to pixel values: bicubic resize of the shortest edge, then a centre crop. */

/** Opaque 8-bit pixels, 3 bytes each, rows from the top left. */
export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Keys' cubic with a = -0.5 (Pillow's and libvips' "bicubic"). */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

/** Weights of the source samples of each target sample; a kernel as wide as the shrink, so that nothing aliases. */
function tapsOf(from: number, to: number): Taps[] {
  const shrink = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to;
    const start = Math.max(0, Math.floor(centre - 2 * shrink + 0.5));
    const end = Math.min(from, Math.floor(centre + 2 * shrink + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, k) =>
      cubic((start + k + 0.5 - centre) / shrink),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((w) => w / sum) };
  });
}

const tapsCache = new Map<string, Taps[]>();
function cachedTaps(from: number, to: number): Taps[] {
  const key = `${from}:${to}`;
  const known = tapsCache.get(key);
  if (known !== undefined) return known;
  const taps = tapsOf(from, to);
  tapsCache.set(key, taps);
  return taps;
}

/** Antialiased bicubic resize, as Pillow does it: across, rounded to bytes, then down. */
export function resizeBicubic(source: Picture, width: number, height: number): Picture {
  const across = new Uint8ClampedArray(width * source.height * 3);
  cachedTaps(source.width, width).forEach(({ start, weights }, x) => {
    for (let y = 0; y < source.height; y++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        let at = (y * source.width + start) * 3 + c;
        for (let k = 0; k < weights.length; k++, at += 3) sum += weights[k]! * source.data[at]!;
        across[(y * width + x) * 3 + c] = sum;
      }
    }
  });
  const down = new Uint8ClampedArray(width * height * 3);
  const stride = width * 3;
  cachedTaps(source.height, height).forEach(({ start, weights }, y) => {
    for (let x = 0; x < stride; x++) {
      let sum = 0;
      let at = start * stride + x;
      for (let k = 0; k < weights.length; k++, at += stride) sum += weights[k]! * across[at]!;
      down[y * stride + x] = sum;
    }
  });
  return { data: new Uint8Array(down.buffer), width, height };
}

/**
 * Pixel values of a picture: shortest edge to `size`, centre crop, scaled to 0..1, planes of red, green and blue.
 *
 * @param out - Where [3, size, size] values go, from `offset` on.
 */
export function writePixelValues(picture: Picture, size: number, out: Float32Array, offset: number): void {
  const scale = size / Math.min(picture.width, picture.height);
  const width = Math.max(size, Math.floor(picture.width * scale));
  const height = Math.max(size, Math.floor(picture.height * scale));
  const { data } = resizeBicubic(picture, width, height);
  const left = Math.floor((width - size) / 2);
  const top = Math.floor((height - size) / 2);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < size; y++) {
      const row = ((top + y) * width + left) * 3 + c;
      const target = offset + (c * size + y) * size;
      for (let x = 0; x < size; x++) out[target + x] = data[row + x * 3]! / 255;
    }
  }
}
