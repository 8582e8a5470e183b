import { createHash } from 'node:crypto';
import type { ClipModel } from '../clip/index.ts';
import type { Recipe } from '../config/index.ts';
import { decodeImage, giveBack, MAX_JPEG_SIDE, perceptualHash, resizeForStore } from '../image/index.ts';
import type { ImageClassifier, KnownContent } from '../safety/index.ts';
import {
  type DecodedImage,
  type Dropped,
  dropped,
  kept,
  type Outcome,
  type RgbImage,
} from '../schema/index.ts';

/** A decoded image as harvest keeps it while it waits for its batch: small copies, never the full picture. */
export interface Prepared {
  /** What the model sees: resized and cropped. */
  readonly crop: RgbImage;
  /** What each classifier sees. */
  readonly classified: readonly RgbImage[];
  /** What the release stores if the pair is kept. */
  readonly stored: RgbImage;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly sha256: string;
  readonly phash: string;
}

/** What is asked of an image when it is decoded. */
export interface Lookers {
  readonly model: ClipModel;
  readonly known?: KnownContent | undefined;
  readonly classifiers?: readonly ImageClassifier[];
}

/** Decodes an image and takes of it what is needed later. */
export async function look(
  bytes: Uint8Array,
  recipe: Recipe,
  { model, known, classifiers = [] }: Lookers,
): Promise<Outcome<Prepared>> {
  const decoded = await decodeImage(bytes, recipe.image);
  if (!decoded.kept) return decoded;
  const image = decoded.value;
  const phash = perceptualHash(image);
  const refusal = known?.refusePicture(phash) ?? refuseSize(image, recipe);
  if (refusal) {
    giveBack(image.data);
    return refusal;
  }
  const crop = own(model.crop(image), image);
  const classified = classifiers.map((classifier) => own(classifier.prepare(image, crop), image));
  const stored = resizeForStore(image, { shortestSide: recipe.image.storeShortestSide });
  const prepared = kept({
    crop,
    classified,
    stored,
    width: image.width,
    height: image.height,
    format: image.format,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    phash,
  });
  if (stored.data !== image.data) giveBack(image.data);
  return prepared;
}

/** Where nothing was to be done it is the picture itself, whose memory serves another soon. */
function own<T extends RgbImage>(part: T, image: RgbImage): T {
  return part.data === image.data ? { ...part, data: part.data.slice() } : part;
}

function refuseSize({ width, height }: DecodedImage, recipe: Recipe): Dropped | undefined {
  const [shorter, longer] = width < height ? [width, height] : [height, width];
  const { minShortestSide, maxAspectRatio, storeShortestSide } = recipe.image;
  if (minShortestSide !== null && shorter < minShortestSide)
    return dropped('size_small', `${width}×${height}`);
  if (maxAspectRatio !== null && longer > maxAspectRatio * shorter)
    return dropped('aspect', `${width}×${height}`);
  // What is stored is a JPEG, and a JPEG has at most 65,535 pixels on a side (ITU-T T.81, B.2.2).
  if (longer * Math.min(1, storeShortestSide / shorter) > MAX_JPEG_SIDE)
    return dropped('aspect', `${width}×${height}`);
  return undefined;
}
