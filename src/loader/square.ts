import { cropForModel, type Preprocessing } from '../clip/preprocess.ts';
import { decodeImage, giveBack, resample } from '../image/index.ts';
import { kept, type Outcome, type RgbImage } from '../schema/index.ts';
import type { LoaderOptions } from './options.ts';

/** What becomes of all pictures. */
export type SquareWork = Required<Pick<LoaderOptions, 'imageSize' | 'fit' | 'filter'>>;

/** A picture as a network takes it: [3, size, size], red, green, blue, 0 to 255. */
export interface Planes {
  readonly planes: Uint8Array<ArrayBuffer>;
}

/** Pillow's limit of what is decoded, as of a crawl. */
const LIMITS = {
  minBytes: 1,
  maxPixels: 89_478_485,
  formats: ['jpeg', 'png', 'webp', 'gif', 'avif'],
} as const;

/**
 * Decodes a picture and brings it to a square: colours in sRGB, alpha laid on white. Never throws for what the bytes are.
 * @param into memory for the planes. @default new memory
 */
export async function toSquare(
  bytes: Uint8Array,
  work: SquareWork,
  into = new ArrayBuffer(3 * work.imageSize ** 2),
): Promise<Outcome<Planes>> {
  const decoded = await decodeImage(bytes, LIMITS, 'here');
  if (!decoded.kept) return decoded;
  const planes = new Uint8Array(into);
  try {
    if (work.fit === 'border') layOnWhite(decoded.value, work, planes);
    else split(cropForModel(decoded.value, preprocessingOf(work)), work.imageSize, 0, 0, planes);
    return kept({ planes });
  } finally {
    giveBack(decoded.value.data);
  }
}

/** CLIP's geometry (`cropForModel`), of which only that counts here. */
function preprocessingOf({ imageSize, filter }: SquareWork): Preprocessing {
  return {
    resize: { shortestEdge: imageSize },
    filter,
    cropWidth: imageSize,
    cropHeight: imageSize,
    oddMargin: 'smaller',
    rescale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  };
}

function layOnWhite(image: RgbImage, { imageSize: size, filter }: SquareWork, planes: Uint8Array): void {
  const factor = size / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((side) =>
    Math.min(size, Math.max(1, Math.round(side * factor))),
  ) as [number, number];
  planes.fill(255);
  const [left, top] = [Math.floor((size - width) / 2), Math.floor((size - height) / 2)];
  split(resample(image, width, height, filter), size, left, top, planes);
}

/** Pixels → planes of so many pixels a side, with the upper left one at `left`, `top`. */
function split(
  { data, width, height }: RgbImage,
  size: number,
  left: number,
  top: number,
  planes: Uint8Array,
) {
  const plane = size * size;
  for (let y = 0, from = 0; y < height; y++)
    for (let x = 0, to = (top + y) * size + left; x < width; x++, to++, from += 3) {
      planes[to] = data[from]!;
      planes[plane + to] = data[from + 1]!;
      planes[2 * plane + to] = data[from + 2]!;
    }
}
