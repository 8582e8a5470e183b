/** What is embedded must not depend on what is embedded beside it: a shard that is harvested again in part is to be the same. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClipModel, loadClip, resolveModel } from '../../src/clip/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';
import { sharedData } from '../image/shared-data.ts';
import {
  TINY_PREPROCESSOR,
  TINY_TOKENIZER,
  TINY_TOKENIZER_CONFIG,
  tinyVision,
  writeTinyModel,
} from './tiny-model.ts';

const fixture = sharedData('peers/clip/fixture');
const SIZES = [1, 2, 3, 5, 8, 31, 32];

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gleaner-alone-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** Noise, by a generator whose numbers are the same everywhere. */
function noise(n: number): RgbImage {
  let state = n + 1;
  const data = Uint8Array.from({ length: 40 * 30 * 3 }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state >> 8;
  });
  return { data, width: 40, height: 30 };
}

const WORDS = ['cat', 'a', 'red', 'of', 'dog', 'sun', 'two', 'in', 'snow', 'at', 'sea'];
/** From one word to more than any context is long, none twice. */
const TEXTS = Array.from({ length: 32 }, (_, n) =>
  Array.from({ length: 1 + ((n * n) % 90) }, (_, i) => WORDS[(n + i * (n % 7)) % WORDS.length]).join(' '),
);
const IMAGES = Array.from({ length: 32 }, (_, n) => noise(n));

async function expectAlone<T>(items: readonly T[], embed: (of: readonly T[]) => Promise<Float32Array>) {
  const all = await embed(items);
  const dimension = all.length / items.length;
  for (const size of SIZES)
    for (let from = 0; from < items.length; from += size)
      expect([size, from, await embed(items.slice(from, from + size))]).toEqual([
        size,
        from,
        all.slice(from * dimension, Math.min(from + size, items.length) * dimension),
      ]);
}

const clipOf = () => {
  const dir = writeTinyModel(join(root, 'clip'), {
    'config.json': { model_type: 'clip', projection_dim: 512, text_config: { max_position_embeddings: 77 } },
    'preprocessor_config.json': { ...TINY_PREPROCESSOR, size: 224, crop_size: 224, resample: 3 },
    'tokenizer.json': TINY_TOKENIZER,
    'tokenizer_config.json': TINY_TOKENIZER_CONFIG,
    'onnx/vision_model.onnx': null,
    'onnx/text_model.onnx': null,
  });
  for (const name of ['vision_model.onnx', 'text_model.onnx'])
    symlinkSync(`${fixture}/${name}`, join(dir, name));
  return dir;
};

describe.each([
  ['gleaner-mini', true, () => resolveModel('gleaner-mini')],
  ['a CLIP of the hub', Boolean(fixture), clipOf],
] as const)('%s', (_, there, dirOf) => {
  let model: ClipModel;
  beforeAll(async () => {
    if (there) model = await loadClip(dirOf());
  });
  afterAll(() => model?.close());

  it.runIf(there)('embeds an image to the same bits whatever stands beside it', async () => {
    await expectAlone(IMAGES, (images) => model.embedImages(images));
  });

  it.runIf(there)('embeds a text to the same bits whatever stands beside it', async () => {
    await expectAlone(TEXTS, (texts) => model.embedTexts(texts));
  });
});

describe('a network that rounds by the values of the whole batch', () => {
  it('is asked for one image at a time', async () => {
    const dir = writeTinyModel(join(root, 'quantized'), {
      'onnx/vision_model.onnx': tinyVision({ quantized: true }),
    });
    const model = await loadClip(dir);
    const grey = (v: number): RgbImage => ({ data: new Uint8Array(12).fill(v), width: 2, height: 2 });
    const row = async (...images: RgbImage[]) => (await model.embedImages(images)).slice(0, 12);
    // Beside white the steps are coarser: 200 would be rounded to another value.
    expect(await row(grey(200), grey(255))).toEqual(await row(grey(200)));
    await model.close();
  });
});
