import type { RgbImage } from '../schema/index.ts';
import { resample } from './resample.ts';

/**
 * 64-bit difference hash (dHash, Krawetz 2013): the picture shrunk to 9 × 8 by the mean over the covered area, each
 * pixel to luma by ITU-R BT.601 in Pillow's fixed point ((19595 R + 38470 G + 7471 B + 32768) >> 16), then one bit a
 * pair of neighbours in a row: 1 where the right one is brighter. Rows from the top, bits from the left, the first
 * bit the highest.
 *
 * @returns 16 lower-case hexadecimal digits. Copies of a picture in other sizes and qualities differ in few bits.
 */
export function perceptualHash(image: RgbImage): string {
  const { data } = resample(image, 9, 8, 'box');
  const luma = (pixel: number): number => {
    const [r = 0, g = 0, b = 0] = data.subarray(pixel * 3, pixel * 3 + 3);
    return (19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16;
  };
  let hash = '';
  for (let y = 0; y < 8; y++) {
    let byte = 0;
    for (let x = 0; x < 8; x++) byte = (byte << 1) | Number(luma(y * 9 + x + 1) > luma(y * 9 + x));
    hash += byte.toString(16).padStart(2, '0');
  }
  return hash;
}
