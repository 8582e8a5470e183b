import { cropForModel, type PixelValues, type Preprocessing, toPixelValues } from '../../clip/preprocess.ts';
import { freeBytes } from '../../formats/free-bytes.ts';
import { type DecodeLimits, decodeImage, giveBack } from '../../image/index.ts';
import { kept, type Outcome } from '../../schema/index.ts';

/** What decoding and cropping want to know, the same for all images of a run. */
export interface CropWork {
  readonly limits: DecodeLimits;
  readonly preprocessing: Preprocessing;
}

/**
 * Bytes → pixel values of what the model sees, to the level as the reference's decoder: embeddings are compared with those of other tools, and
 * beside the network the price is small (docs/decisions.md). Never throws for what the bytes are.
 *
 * @param into memory for the values. @default new memory
 */
export async function cropBytes(
  bytes: Uint8Array,
  { limits, preprocessing }: CropWork,
  into?: Float32Array<ArrayBuffer>,
): Promise<Outcome<PixelValues>> {
  const decoded = await decodeImage(bytes, limits, 'here', 'exact');
  if (!decoded.kept) return decoded;
  try {
    const crop = cropForModel(decoded.value, preprocessing);
    const values = toPixelValues(crop, preprocessing, into);
    if (crop.data !== decoded.value.data) freeBytes(crop.data);
    return kept({ values });
  } finally {
    giveBack(decoded.value.data);
  }
}
