/** Encoders to be measured: weights that are being trained, and a model folder as gleaner reads it. */
import { type ClipModel, loadClip } from '../../src/clip/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';
import { openForward, type Parameters } from '../autodiff/index.ts';
import type { BpeEncoder } from '../train-embedded/bpe.ts';
import { tokensOf } from './captions.ts';
import type { Embedder } from './evaluate.ts';
import { imageModel, textModel } from './export.ts';
import type { Size } from './model.ts';

/** Rows a call: memory grows with it. */
const BATCH = 256;

function floatsOf(values: Float32Array | BigInt64Array | undefined): Float32Array {
  if (values instanceof Float32Array) return values;
  throw new TypeError('an embedding is float32');
}

async function inBatches(
  count: number,
  dimension: number,
  run: (from: number, to: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(count * dimension);
  for (let from = 0; from < count; from += BATCH)
    all.set(await run(from, Math.min(count, from + BATCH)), from * dimension);
  return all;
}

/** Of weights as they are now: their graphs, opened anew each time they are asked. */
export function embedderOf(parameters: Parameters, encoder: BpeEncoder, size: Size): Embedder {
  const { dimension, side } = size;
  return {
    dimension,
    async images(planes) {
      const model = await openForward(imageModel(parameters, size));
      const values = 3 * side * side;
      const embedded = await inBatches(planes.length / values, dimension, async (from, to) => {
        const pixels = Float32Array.from(planes.subarray(from * values, to * values), (v) => v / 127.5 - 1);
        return floatsOf((await model.run({ pixel_values: pixels })).image_embeds);
      });
      await model.close();
      return embedded;
    },
    async texts(texts) {
      const model = await openForward(textModel(parameters, encoder.size, size));
      const embedded = await inBatches(texts.length, dimension, async (from, to) => {
        const { ids, mask } = tokensOf(encoder, texts.slice(from, to));
        return floatsOf((await model.run({ input_ids: ids, attention_mask: mask })).text_embeds);
      });
      await model.close();
      return embedded;
    },
  };
}

/** Of a model folder, through gleaner's own tokenizer and preprocessing. @param side pixels a side of what it is asked */
export async function openModel(
  folder: string,
  side: number,
): Promise<Embedder & { close(): Promise<void> }> {
  const clip: ClipModel = await loadClip(folder, { threads: 2 });
  return {
    dimension: clip.dimension,
    images: (planes) => clip.embedImages(picturesOf(planes, side)),
    texts: (texts) => clip.embedTexts(texts),
    close: () => clip.close(),
  };
}

/** Planes [n, 3, side, side] → pictures, pixel by pixel. */
function picturesOf(planes: Uint8Array, side: number): RgbImage[] {
  const plane = side * side;
  return Array.from({ length: planes.length / (3 * plane) }, (_, n) => ({
    data: Uint8Array.from(
      { length: 3 * plane },
      (_, i) => planes[(3 * n + (i % 3)) * plane + Math.floor(i / 3)]!,
    ),
    width: side,
    height: side,
  }));
}
