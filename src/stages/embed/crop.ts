import type { CroppedImage, Preprocessing } from '../../clip/preprocess.ts';
import { cropForModel } from '../../clip/preprocess.ts';
import { type DecodeLimits, decodeImage, giveBack } from '../../image/index.ts';
import { kept, type Outcome } from '../../schema/index.ts';

/** What decoding and cropping want to know, the same for all images of a run. */
export interface CropWork {
  readonly limits: DecodeLimits;
  readonly preprocessing: Preprocessing;
}

/**
 * Bytes → what the model sees, to the level as the reference's decoder: embeddings are compared with those of other tools, and
 * beside the network the price is small (docs/decisions.md). Never throws for what the bytes are.
 */
export async function cropBytes(
  bytes: Uint8Array,
  { limits, preprocessing }: CropWork,
): Promise<Outcome<CroppedImage>> {
  const decoded = await decodeImage(bytes, limits, 'here', 'exact');
  if (!decoded.kept) return decoded;
  try {
    return kept(cropForModel(decoded.value, preprocessing));
  } finally {
    giveBack(decoded.value.data);
  }
}
