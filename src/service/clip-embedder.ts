import type { ClipModel, CroppedImage } from '../clip/index.ts';
import { decodeImage } from '../image/index.ts';
import { kept, type Outcome, type RgbImage } from '../schema/index.ts';
import type { Embedder } from './embedder.ts';
import { QUERY_LIMITS } from './pictures/query-picture.ts';

/** Bytes of a picture → its pixels, or the part of them that the model sees. */
type DecodePicture = (bytes: Uint8Array, signal?: AbortSignal) => Promise<Outcome<RgbImage | CroppedImage>>;

/**
 * Queries by a CLIP model, through the same decoder that the release's pictures went through.
 * @param decode where strangers send pictures, one that may crash: `PictureDecoder`. @default in this process
 */
export function clipEmbedder(
  model: Pick<ClipModel, 'name' | 'dimension' | 'files' | 'embedImages' | 'embedTexts' | 'close'>,
  decode: DecodePicture = (bytes) => decodeImage(bytes, QUERY_LIMITS),
): Embedder {
  const { name, dimension, files } = model;
  return {
    name,
    dimension,
    files,
    embedTexts: (texts) => model.embedTexts(texts),
    async embedImage(bytes, signal) {
      const image = await decode(bytes, signal);
      signal?.throwIfAborted();
      return image.kept ? kept(await model.embedImages([image.value])) : image;
    },
    close: () => model.close(),
  };
}
