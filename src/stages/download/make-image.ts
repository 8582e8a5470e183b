import { createHash } from 'node:crypto';
import type { Recipe } from '../../config/index.ts';
import { readExif } from '../../formats/exif.ts';
import {
  decodeImage,
  encodeImage,
  giveBack,
  needsEncoding,
  perceptualHash,
  planResize,
  type ResizeOptions,
  resizeImage,
  sniffFormat,
} from '../../image/index.ts';
import type { KnownContent } from '../../safety/index.ts';
import { type DecodedImage, type Dropped, dropped, kept, type Outcome } from '../../schema/index.ts';
import { pythonJson } from './columns.ts';
import type { DownloadOptions } from './options.ts';

/** An image as it will be stored. */
export interface MadeImage {
  readonly bytes: Uint8Array;
  /** Of the stored image, in pixels; null where nothing was decoded. */
  readonly width: number | null;
  readonly height: number | null;
  readonly originalWidth: number | null;
  readonly originalHeight: number | null;
  /** Of the bytes as fetched, hexadecimal; null where none was asked for. */
  readonly hash: string | null;
  /** JSON: names and values of the EXIF tags, `{}` where there are none; null where nobody asked. */
  readonly exif: string | null;
}

/** Lists of perceptual hashes. */
type PictureLists = Pick<KnownContent, 'refusePicture'>;

/** Without what is told of the bytes as they came. */
type Stored = Omit<MadeImage, 'hash' | 'exif'>;

/**
 * Makes what is stored of a fetched body: decoded, checked, resized and encoded, or left as it came where the options
 * say so. Blocks its thread while it works on a JPEG. Never throws for what the bytes are.
 *
 * @param known what refuses decoded pictures before anything else is done with them
 */
export async function makeImage(
  bytes: Uint8Array,
  options: DownloadOptions,
  recipe: Recipe['image'],
  known?: PictureLists,
): Promise<Outcome<MadeImage>> {
  const stored = options.disableAllReencoding
    ? asItCame(bytes, recipe)
    : await convert(bytes, options, recipe, known);
  if (!stored.kept) return stored;
  const { computeHash } = options;
  return kept({
    ...stored.value,
    hash: computeHash && createHash(computeHash).update(bytes).digest('hex'),
    // As img2dataset writes it: an empty object where there are no tags.
    exif: options.extractExif ? pythonJson(Object.fromEntries(readExif(bytes))) : null,
  });
}

async function convert(
  bytes: Uint8Array,
  options: DownloadOptions,
  recipe: Recipe['image'],
  known: PictureLists | undefined,
): Promise<Outcome<Stored>> {
  const decoded = await decodeImage(bytes, recipe, 'here');
  if (!decoded.kept) return decoded;
  const image = decoded.value;
  const pixels = [image.data];
  try {
    const listed = known?.refusePicture(perceptualHash(image));
    return listed ?? (await store(bytes, image, options, recipe, pixels));
  } finally {
    for (const data of new Set(pixels)) giveBack(data);
  }
}

/** @param pixels takes the buffers that are done with when the image is stored */
async function store(
  bytes: Uint8Array,
  image: DecodedImage,
  options: DownloadOptions,
  recipe: Recipe['image'],
  pixels: Uint8Array[],
): Promise<Outcome<Stored>> {
  const refused = refuse(image, options, recipe);
  if (refused) return refused;
  const resize: ResizeOptions = {
    mode: options.resizeMode,
    size: options.imageSize,
    onlyIfBigger: options.resizeOnlyIfBigger,
    maxPixels: recipe.maxPixels,
  };
  const { originalWidth, originalHeight } = image;
  const stored = { format: options.encodeFormat, quality: options.encodeQuality };
  if (!needsEncoding(image, planResize(image, resize), { ...stored, ...options })) {
    const { width, height } = image;
    return kept({ bytes, width, height, originalWidth, originalHeight });
  }
  const resized = resizeImage(image, resize);
  if (!resized.kept) return resized;
  pixels.push(resized.value.data);
  const encoded = await encodeImage(resized.value, stored, 'here');
  if (!encoded.kept) return encoded;
  const { width, height } = resized.value;
  return kept({ bytes: encoded.value, width, height, originalWidth, originalHeight });
}

/** Not decoded, but neither is a page that says "not found" stored as a picture. */
function asItCame(bytes: Uint8Array, recipe: Recipe['image']): Outcome<Stored> {
  if (bytes.length < recipe.minBytes) return dropped('body_small', `${bytes.length} bytes`);
  const format = sniffFormat(bytes);
  if (format === undefined) return dropped('format', 'unknown');
  return kept({ bytes, width: null, height: null, originalWidth: null, originalHeight: null });
}

function refuse(
  { width, height }: DecodedImage,
  options: DownloadOptions,
  recipe: Recipe['image'],
): Dropped | undefined {
  const [shorter, longer] = width < height ? [width, height] : [height, width];
  const least = Math.max(options.minImageSize, recipe.minShortestSide ?? 0);
  const elongation = Math.min(options.maxAspectRatio ?? Infinity, recipe.maxAspectRatio ?? Infinity);
  const detail = `${width}×${height}`;
  if (shorter < least) return dropped('size_small', detail);
  if (options.maxImageArea !== null && width * height > options.maxImageArea)
    return dropped('pixels', detail);
  if (longer > elongation * shorter) return dropped('aspect', detail);
  return undefined;
}
