import type { RgbImage } from '../schema/index.ts';

/**
 * Turns and mirrors as an EXIF orientation asks (1 to 8: Exif 2.32, tag 0x0112), so that row 0 is the visual top.
 * Orientation 1 gives the image itself, not a copy.
 */
export function applyOrientation(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { width: w, height: h, data } = image;
  const swapped = orientation >= 5;
  const [width, height] = swapped ? [h, w] : [w, h];
  // Source x and y are linear in the target's: x = x0 + tx·xx + ty·xy, and likewise y; as one byte offset.
  const mirrorX = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
  const mirrorY = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
  const stepX = mirrorX ? -3 : 3;
  const stepY = mirrorY ? -3 * w : 3 * w;
  const start = (mirrorX ? 3 * (w - 1) : 0) + (mirrorY ? 3 * w * (h - 1) : 0);
  const [alongRow, alongColumn] = swapped ? [stepY, stepX] : [stepX, stepY];
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let ty = 0; ty < height; ty++) {
    let from = start + ty * alongColumn;
    for (let tx = 0; tx < width; tx++, from += alongRow) {
      out[to++] = data[from] ?? 0;
      out[to++] = data[from + 1] ?? 0;
      out[to++] = data[from + 2] ?? 0;
    }
  }
  return { data: out, width, height };
}
