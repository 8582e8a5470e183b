import type { ClipModel } from '../clip/index.ts';
import { type DecodeLimits, decodeImage } from '../image/index.ts';
import { kept } from '../schema/index.ts';
import type { Embedder } from './embedder.ts';

/** What a picture that somebody searches with may be: any size in bytes, and as many pixels as fit 120 MB decoded. */
const QUERY_LIMITS: DecodeLimits = { minBytes: 1, maxPixels: 40_000_000, formats: ['jpeg', 'png', 'webp'] };

/** Queries by a CLIP model, through the same decoder that the release's pictures went through. */
export function clipEmbedder(
  model: Pick<ClipModel, 'name' | 'dimension' | 'files' | 'embedImages' | 'embedTexts' | 'close'>,
): Embedder {
  const { name, dimension, files } = model;
  return {
    name,
    dimension,
    files,
    embedTexts: (texts) => model.embedTexts(texts),
    async embedImage(bytes) {
      const image = await decodeImage(bytes, QUERY_LIMITS);
      return image.kept ? kept(await model.embedImages([image.value])) : image;
    },
    close: () => model.close(),
  };
}
