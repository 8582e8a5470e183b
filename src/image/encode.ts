import sharp from 'sharp';
import {
  type DecodedImage,
  dropped,
  type ImageFormat,
  kept,
  type Outcome,
  type RgbImage,
} from '../schema/index.ts';
import type { Where } from './decode.ts';
import type { ResizePlan } from './resize.ts';
import { encodeJpeg, MAX_JPEG_SIDE } from './store.ts';

/** Formats that images are stored in, by img2dataset's names. */
export const ENCODE_FORMATS = ['jpg', 'png', 'webp'] as const;
export type EncodeFormat = (typeof ENCODE_FORMATS)[number];

export interface EncodeOptions {
  readonly format: EncodeFormat;
  /**
   * jpg: 1 to 100 on libjpeg's scale. webp: 1 to 100 on libwebp's, above 100 without loss. png, always without loss:
   * zlib's level, 0 to 9. As img2dataset's `--encode_quality`.
   */
  readonly quality: number;
}

/** The longest side in pixels: libjpeg's and libwebp's (WEBP_MAX_DIMENSION) limits; PNG's is beyond any picture. */
const MAX_SIDE: Readonly<Record<EncodeFormat, number>> = {
  jpg: MAX_JPEG_SIDE,
  png: 2 ** 31 - 1,
  webp: 16_383,
};

const CONTENT: Readonly<Record<EncodeFormat, ImageFormat>> = { jpg: 'jpeg', png: 'png', webp: 'webp' };

/**
 * Encodes for storing: jpg as {@link encodeJpeg}, png and webp by sharp without metadata. A picture with a side that the
 * format cannot hold is refused as `pixels`.
 *
 * @param where JPEGs are encoded: 'here' blocks this thread
 */
export async function encodeImage(
  image: RgbImage,
  { format, quality }: EncodeOptions,
  where: Where = 'elsewhere',
): Promise<Outcome<Uint8Array>> {
  const { data, width, height } = image;
  if (Math.max(width, height) > MAX_SIDE[format])
    return dropped('pixels', `${width}×${height} does not fit into ${format}`);
  if (format === 'jpg') return kept(await encodeJpeg(image, quality, where));
  const raw = sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false });
  const encoded =
    format === 'png'
      ? raw.png({ compressionLevel: quality })
      : raw.webp(quality > 100 ? { lossless: true } : { quality });
  return kept(await encoded.toBuffer());
}

/** When bytes are stored as they came: img2dataset's options of these names. */
export interface ReencodeOptions {
  readonly format: EncodeFormat;
  /** Bytes that already are of `format`, and need no change, are stored as they came. */
  readonly skipReencode: boolean;
  /** Nothing is decoded, and everything is stored as it came. */
  readonly disableAllReencoding: boolean;
}

/**
 * Whether an image is to be encoded, or its bytes stored as they came. As in
 * img2dataset a picture whose transparency was laid on white is encoded again, and so is one that the resize mode
 * applied to, even at its own size.
 */
export function needsEncoding(
  image: Pick<DecodedImage, 'format' | 'alpha'>,
  plan: Pick<ResizePlan, 'applied'>,
  options: ReencodeOptions,
): boolean {
  if (options.disableAllReencoding) return false;
  return !options.skipReencode || image.format !== CONTENT[options.format] || image.alpha || plan.applied;
}
