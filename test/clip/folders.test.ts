/** Folders as the hub and others lay them out, and what is said of those that are not right. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identifyModel, loadClip } from '../../src/clip/index.ts';
import { openClipPreprocessing, parsePreprocessing } from '../../src/clip/preprocess.ts';
import { GleanerError, type RgbImage } from '../../src/schema/index.ts';
import { sharedData } from '../image/shared-data.ts';
import {
  TINY_CONFIG,
  TINY_TOKENIZER,
  TINY_TOKENIZER_CONFIG,
  tinyExternal,
  tinyJoint,
  tinyOperator,
  tinyText,
  tinyVision,
  writeTinyModel,
} from './tiny-model.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gleaner-folders-'));
});
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
const folder = (changes: Readonly<Record<string, unknown>>) =>
  writeTinyModel(join(root, String(made++)), changes);
const NO_NETWORKS = { 'onnx/vision_model.onnx': null, 'onnx/text_model.onnx': null };
const WEIGHTS = Buffer.from(new Float32Array(12).fill(2).buffer);

/** 2 × 2 pixels, seen as they are; and their values, green (v - .5) / .5, by plane. */
const image: RgbImage = {
  data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 51, 102, 153),
  width: 2,
  height: 2,
};
const PLANES = [1, 0, 0, 0.2, -1, 1, -1, -0.2, 0, 0, 1, 0.6];
const CAT = [60, 53, 61, 0, 0, 0, 0, 0, 0, 0, 0, 0];

async function expectEmbeddings(dir: string): Promise<void> {
  const model = await loadClip(dir);
  const close = (actual: Float32Array, expected: readonly number[]) => {
    const length = Math.hypot(...expected);
    for (const [i, v] of expected.entries()) expect(actual[i]).toBeCloseTo(v / length, 6);
  };
  try {
    close(await model.embedImages([image]), PLANES);
    close(await model.embedTexts(['cat']), CAT);
    close((await model.embedTexts(['a', 'cat', 'b'])).subarray(12, 24), CAT);
  } finally {
    await model.close();
  }
}

describe('a model folder', () => {
  it.each(['onnx/model.onnx', 'model.onnx'])('may have one network for both: %s', async (file) => {
    const dir = folder({ ...NO_NETWORKS, [file]: tinyJoint() });
    await expectEmbeddings(dir);
    expect(Object.keys((await identifyModel(dir)).files)).toContain(file);
  });

  it('may have weights beside a network, which count as part of it', async () => {
    const data = 'onnx/vision_model.onnx_data';
    const dir = folder({ 'onnx/vision_model.onnx': tinyExternal('vision_model.onnx_data'), [data]: WEIGHTS });
    const model = await loadClip(dir);
    expect(Object.keys(model.files)).toContain(data);
    await model.close();
  });

  it('may have vocab.json and merges.txt in place of tokenizer.json', async () => {
    const { vocab, merges } = TINY_TOKENIZER.model;
    const bpe = {
      'tokenizer.json': null,
      'vocab.json': vocab,
      'merges.txt': ['#version: 0.2', ...merges].join('\n'),
    };
    const dir = folder(bpe);
    await expectEmbeddings(dir);
    expect(Object.keys((await identifyModel(dir)).files)).toEqual(
      expect.arrayContaining(['vocab.json', 'merges.txt']),
    );
  });

  it("may be one of open_clip's, as they are published as ONNX", async () => {
    const dir = folder({
      ...NO_NETWORKS,
      'preprocessor_config.json': null,
      'tokenizer.json': null,
      'tokenizer_config.json': null,
      'config.json': { embed_dim: 12, vision_cfg: { image_size: 2 }, text_cfg: { context_length: 12 } },
      'visual/preprocess_cfg.json': {
        ...{ size: 2, mode: 'RGB', mean: [0, 0.5, 0], std: [1, 0.5, 1] },
        ...{ interpolation: 'bilinear', resize_mode: 'shortest', fill_color: 0 },
      },
      'visual/model.onnx': tinyVision({ imageOutput: 'embedding' }),
      'textual/model.onnx': tinyText({ textInput: 'text' }),
      'textual/tokenizer.json': TINY_TOKENIZER,
      'textual/tokenizer_config.json': TINY_TOKENIZER_CONFIG,
    });
    await expectEmbeddings(dir);
  });

  it('has variants by the names of the hub: the one asked for, else the first of fp32, fp16, int8', async () => {
    const both = (suffix: string) => ({
      [`onnx/vision_model${suffix}.onnx`]: tinyVision(),
      [`onnx/text_model${suffix}.onnx`]: tinyText(),
    });
    const all = folder({ ...both('_fp16'), ...both('_int8') });
    const networks = async (dir: string, variant?: 'fp32' | 'fp16' | 'int8') =>
      Object.keys((await identifyModel(dir, { variant })).files).filter((path) => path.endsWith('.onnx'));
    expect(await networks(all)).toEqual(['onnx/vision_model.onnx', 'onnx/text_model.onnx']);
    expect(await networks(all, 'fp16')).toEqual(['onnx/vision_model_fp16.onnx', 'onnx/text_model_fp16.onnx']);
    expect(await networks(all, 'int8')).toEqual(['onnx/vision_model_int8.onnx', 'onnx/text_model_int8.onnx']);
    const small = folder({ ...NO_NETWORKS, ...both('_quantized') });
    expect(await networks(small)).toEqual([
      'onnx/vision_model_quantized.onnx',
      'onnx/text_model_quantized.onnx',
    ]);
    await expect(identifyModel(small, { variant: 'fp16' })).rejects.toThrow(
      /onnx\/vision_model_fp16\.onnx: is missing \(there is int8\)/,
    );
  });
});

describe('preprocessing', () => {
  const mean = [0.5, 0.5, 0.5];

  it("of SigLIP squashes and does not crop (transformers' SiglipImageProcessor)", () => {
    const config = {
      ...{ do_normalize: true, do_rescale: true, do_resize: true, image_mean: mean, image_std: mean },
      ...{ image_processor_type: 'SiglipImageProcessor', resample: 3, size: { height: 224, width: 224 } },
    };
    expect(parsePreprocessing(config)).toMatchObject({
      resize: { width: 224, height: 224 },
      ...{ cropWidth: 224, cropHeight: 224, filter: 'bicubic' },
    });
  });

  it('of open_clip squashes where it says so', () => {
    const config = { size: [224, 224], mode: 'RGB', mean, std: mean, interpolation: 'bicubic' };
    expect(openClipPreprocessing(config)).toMatchObject({ resize: { shortestEdge: 224 }, filter: 'bicubic' });
    expect(openClipPreprocessing({ ...config, resize_mode: 'squash' }).resize).toEqual({
      width: 224,
      height: 224,
    });
    expect(() => openClipPreprocessing({ ...config, resize_mode: 'longest' })).toThrow(/resize_mode/);
  });
});

const fixture = sharedData('peers/clip/fixture');

describe('a model that is not right', () => {
  const openClip = { embed_dim: 12, text_cfg: { context_length: 12 } };
  const published = {
    'textual/tokenizer.json': TINY_TOKENIZER,
    'visual/preprocess_cfg.json': { size: 2, mean: [0, 0, 0], std: [1, 1, 1], interpolation: 'bicubic' },
  };
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'an unknown operator',
      { 'onnx/vision_model.onnx': tinyOperator('Frobnicate') },
      /vision_model\.onnx: has an operator that onnxruntime does not know \(Frobnicate\)/,
    ],
    [
      'operators of an unknown domain',
      { 'onnx/vision_model.onnx': tinyOperator('Frobnicate', 'com.example') },
      /vision_model\.onnx: has an operator that onnxruntime does not know \(com\.example\)/,
    ],
    [
      'weights that are missing',
      { 'onnx/vision_model.onnx': tinyExternal('vision_model.onnx_data') },
      /vision_model\.onnx: has weights in vision_model\.onnx_data, which is missing/,
    ],
    [
      'weights that are cut off',
      {
        'onnx/vision_model.onnx': tinyExternal('vision_model.onnx_data'),
        'onnx/vision_model.onnx_data': WEIGHTS.subarray(0, 20),
      },
      /vision_model\.onnx: .*cut off \(\d+ \+ 20 bytes\)/,
    ],
    [
      'one half in one network',
      { ...NO_NETWORKS, 'onnx/model.onnx': tinyText() },
      /onnx\/model\.onnx: has the inputs input_ids: not both halves/,
    ],
    ['one network of two', { 'onnx/text_model.onnx': null }, /onnx\/text_model\.onnx: is missing/],
    ['merges alone', { 'tokenizer.json': null, 'merges.txt': 'a b' }, /vocab\.json: is missing/],
    [
      'a vocabulary alone',
      { 'tokenizer.json': null, 'vocab.json': TINY_TOKENIZER.model.vocab },
      /merges\.txt: is missing/,
    ],
    [
      'a broken merge',
      { 'tokenizer.json': null, 'vocab.json': TINY_TOKENIZER.model.vocab, 'merges.txt': 'c a\nc' },
      /merges\.txt: is not understood \(merges\.txt: merge 2 is not two parts\)/,
    ],
    [
      "another model's vocabulary",
      { 'tokenizer.json': null, 'vocab.json': { a: 0 }, 'merges.txt': '' },
      /merges\.txt: is not understood \(.*no <\|startoftext\|>/,
    ],
    [
      'a SigLIP whose padding has no name',
      { 'config.json': { ...TINY_CONFIG, model_type: 'siglip' }, 'tokenizer_config.json': null },
      /tokenizer_config\.json: is missing or names no pad_token/,
    ],
    [
      "SentencePiece's file alone",
      { 'tokenizer.json': null, 'spiece.model': 'x' },
      /tokenizer\.json: is missing \(spiece\.model alone is not read: take tokenizer\.json from /,
    ],
    [
      'a word list alone',
      { 'tokenizer.json': null, 'vocab.txt': 'x' },
      /tokenizer\.json: is missing \(vocab\.txt alone .*save_pretrained/,
    ],
    [
      'a vocabulary of another kind alone',
      {
        'tokenizer.json': null,
        'vocab.json': { a: 0 },
        'merges.txt': 'a b',
        'tokenizer_config.json': { tokenizer_class: 'RobertaTokenizer' },
      },
      /tokenizer\.json: is missing \(vocab\.json alone is not read/,
    ],
    [
      'captions cleaned in a way of their own',
      {
        ...published,
        'config.json': {
          ...openClip,
          text_cfg: { context_length: 12, tokenizer_kwargs: { clean: 'rot13' } },
        },
      },
      /config\.json: wants texts cleaned by 'rot13', which is not followed \(lower, /,
    ],
    [
      'tokens changed in a way of their own',
      {
        ...published,
        'config.json': { ...openClip, text_cfg: { tokenizer_kwargs: { strip_sep_token: true } } },
      },
      /config\.json: wants strip_sep_token/,
    ],
  ])('%s', async (_, changes, message) => {
    const error = await loadClip(folder(changes)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GleanerError);
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: expect.stringMatching(message) });
    expect(String(error)).not.toContain('\n');
  });

  it('embeddings of other dimensions than the network says', async () => {
    const model = await loadClip(folder({ 'onnx/vision_model.onnx': tinyOperator('Abs') }));
    await expect(model.embedImages([image])).rejects.toThrow(
      expect.objectContaining({
        code: 'MODEL_INVALID',
        message: expect.stringMatching(
          /vision_model\.onnx: image_embeds has the shape 2 x 3 x 2 x 2, not 2 x 12/,
        ),
      }),
    );
    await model.close();
  });

  it.skipIf(!fixture)('the network of a real exporter, cut anywhere', async () => {
    const whole = readFileSync(`${fixture}/vision_model.onnx`);
    for (const length of [1, 1_000, whole.length >> 1, whole.length - 1]) {
      const dir = folder({ 'onnx/vision_model.onnx': whole.subarray(0, length) });
      await expect(loadClip(dir)).rejects.toThrow(
        expect.objectContaining({
          code: 'MODEL_INVALID',
          message: expect.stringMatching(/vision_model\.onnx: is not an ONNX network/),
        }),
      );
    }
  });
});
