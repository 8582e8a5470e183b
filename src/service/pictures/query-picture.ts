import { type CroppedImage, cropForModel, type Preprocessing } from '../../clip/preprocess.ts';
import { type DecodeLimits, decodeImage } from '../../image/index.ts';
import { kept, type Outcome } from '../../schema/index.ts';

/**
 * What a picture that somebody searches with may be: any size in bytes, as many pixels as fit 120 MB decoded, and what
 * browsers show. SVG is a program that names files and addresses: it is none.
 */
export const QUERY_LIMITS: DecodeLimits = {
  minBytes: 1,
  maxPixels: 40_000_000,
  formats: ['jpeg', 'png', 'webp', 'gif', 'avif'],
};

/** Through the same decoder that the release's pictures went through, to the part that the model sees. */
export async function decodeQueryPicture(
  bytes: Uint8Array,
  preprocessing: Preprocessing,
): Promise<Outcome<CroppedImage>> {
  const image = await decodeImage(bytes, QUERY_LIMITS, 'here');
  return image.kept ? kept(cropForModel(image.value, preprocessing)) : image;
}
