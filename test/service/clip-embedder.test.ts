import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { clipEmbedder } from '../../src/service/index.ts';

/** A model of three numbers: the mean red, green and blue. */
const meanColour: Parameters<typeof clipEmbedder>[0] = {
  name: 'mean colour',
  dimension: 3,
  files: { 'model.onnx': 'c'.repeat(64) },
  async embedImages(images) {
    return Float32Array.from(
      images.flatMap(({ data }) =>
        [0, 1, 2].map(
          (c) => data.reduce((sum, v, i) => (i % 3 === c ? sum + v : sum), 0) / (data.length / 3),
        ),
      ),
    );
  },
  async embedTexts(texts) {
    return new Float32Array(texts.length * 3).fill(1);
  },
  async close() {},
};

const flat = (format: 'png' | 'webp' | 'tiff') =>
  sharp({ create: { width: 40, height: 30, channels: 3, background: { r: 200, g: 100, b: 50 } } })
    .toFormat(format)
    .toBuffer();

describe('clipEmbedder', () => {
  const embedder = clipEmbedder(meanColour);

  test('is named as its model, by its files', () => {
    expect(embedder).toMatchObject({ name: 'mean colour', dimension: 3, files: meanColour.files });
  });

  test('a picture goes through the decoder to the model', async () => {
    const embedded = await embedder.embedImage(await flat('png'));
    expect(embedded).toEqual({ kept: true, value: Float32Array.of(200, 100, 50) });
  });

  test('what is no picture, or of a format that no release holds, is an outcome', async () => {
    expect(await embedder.embedImage(Buffer.from('no picture'))).toMatchObject({ kept: false });
    expect(await embedder.embedImage(await flat('tiff'))).toMatchObject({ kept: false, reason: 'format' });
    const png = await flat('png');
    expect(await embedder.embedImage(png.subarray(0, 40))).toMatchObject({
      kept: false,
      reason: 'undecodable',
    });
    expect(await embedder.embedImage(new Uint8Array())).toMatchObject({ kept: false });
  });
});
