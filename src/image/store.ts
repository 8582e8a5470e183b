import jpegTurbo from '@julusian/jpeg-turbo';
import type { RgbImage } from '../schema/index.ts';
import { shrinkByArea } from './area.ts';
import { giveBack, takeBuffer } from './buffers.ts';
import type { Where } from './decode.ts';

/**
 * The longest side of a JPEG that can be written, in pixels: libjpeg's JPEG_MAX_DIMENSION, a little less than the
 * 65,535 of the format (ITU-T T.81, B.2.2).
 */
export const MAX_JPEG_SIDE = 65_500;

export interface StoreSize {
  /** Length of the shorter side after shrinking, in pixels. */
  readonly shortestSide: number;
}

/**
 * Shrinks for storage: the shorter side becomes `shortestSide`, the longer one follows in ratio (rounded to the
 * nearest pixel), by the mean over the covered area. Never enlarges: a smaller image comes back as it is. What comes
 * back may be given back (`giveBack`).
 */
export function resizeForStore(image: RgbImage, { shortestSide }: StoreSize): RgbImage {
  const ratio = shortestSide / Math.min(image.width, image.height);
  if (ratio >= 1) return image;
  const size = { width: Math.round(image.width * ratio), height: Math.round(image.height * ratio) };
  const data = takeBuffer(size.width * size.height * 3);
  shrinkByArea(image, size, { left: 0, top: 0, ...size }, { data, width: size.width, left: 0, top: 0 });
  return { data, ...size };
}

/**
 * Encodes as baseline JPEG by libjpeg-turbo with 4:2:0 chroma, the default of libjpeg, Pillow and the peers' tools.
 *
 * @param image - No side longer than {@link MAX_JPEG_SIDE}; a longer one is an error of libjpeg's.
 * @param quality - 1 to 100, on libjpeg's scale.
 * @param where - It is encoded: 'here' blocks this thread.
 */
export async function encodeJpeg(
  image: RgbImage,
  quality: number,
  where: Where = 'elsewhere',
): Promise<Uint8Array> {
  const { data, width, height } = image;
  const pixels = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const subsampling = jpegTurbo.SAMP_420;
  const out = takeBuffer(jpegTurbo.bufferSize({ width, height, subsampling }));
  try {
    const options = { format: jpegTurbo.FORMAT_RGB, width, height, subsampling, quality };
    // Copied: what is kept of an image is its bytes, not the room for the worst case.
    return new Uint8Array(
      where === 'here'
        ? jpegTurbo.compressSync(pixels, out, options)
        : await jpegTurbo.compress(pixels, out, options),
    );
  } finally {
    giveBack(out);
  }
}
