/** Pictures as the networks have them and as people see them. */
import type { RgbImage } from '../../src/schema/index.ts';
import type { Rng } from '../autodiff/index.ts';

/**
 * Squares cut out of pictures, at a random place or from the middle.
 * @param images [n, 3, from, from], 0 to 255 @returns [n, 3, side, side], -1 to 1
 */
export function cut(images: Uint8Array, from: number, side: number, rng?: Rng): Float32Array {
  const count = images.length / (3 * from * from);
  const pixels = new Float32Array(count * 3 * side * side);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const [top, left] = [0, 0].map(() => (rng ? rng.int(from - side + 1) : (from - side) >> 1)) as [
      number,
      number,
    ];
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < side; y++) {
        const row = ((i * 3 + c) * from + top + y) * from + left;
        for (let x = 0; x < side; x++) pixels[at++] = images[row + x]! / 127.5 - 1;
      }
  }
  return pixels;
}

/** One of `cut`'s pictures, or of what a decoder gave. */
export function toRgb(pixels: Float32Array, index: number, side: number): RgbImage {
  const area = side * side;
  const data = new Uint8Array(3 * area);
  for (let p = 0; p < area; p++)
    for (let c = 0; c < 3; c++) {
      const value = (pixels[(index * 3 + c) * area + p]! + 1) * 127.5;
      data[3 * p + c] = Math.min(255, Math.max(0, Math.round(value)));
    }
  return { data, width: side, height: side };
}

/** Peak signal-to-noise ratio in dB, of a mean square error between values from -1 to 1. */
export const psnr = (mse: number): number => 10 * Math.log10(4 / mse);
