import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClipModel, identifyModel, loadClip, resolveModel } from '../../src/clip/index.ts';
import { GleanerError, type RgbImage } from '../../src/schema/index.ts';
import {
  TINY_CONFIG,
  TINY_PREPROCESSOR,
  TINY_TOKENIZER_CONFIG,
  tinyHalves,
  tinyText,
  tinyVision,
  writeTinyModel,
} from './tiny-model.ts';

let root: string;
let dir: string;
let model: ClipModel;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'gleaner-clip-'));
  dir = writeTinyModel(join(root, 'tiny'));
  model = await loadClip(dir);
});
afterAll(async () => {
  await model.close();
  rmSync(root, { recursive: true });
});

/** 2 × 2 pixels, seen as they are. */
const image: RgbImage = {
  data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 51, 102, 153),
  width: 2,
  height: 2,
};
/** Its pixels / 255, green (v - .5) / .5, by plane. */
const PLANES = [1, 0, 0, 0.2, -1, 1, -1, -0.2, 0, 0, 1, 0.6];

function unit(values: readonly number[]): number[] {
  const length = Math.hypot(...values);
  return values.map((v) => v / length);
}

function close(actual: Float32Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(actual[i]).toBeCloseTo(v, 6);
}

describe('loadClip', () => {
  it('asks for as many images at once as are wanted, and for 64 where nothing is said', async () => {
    for (const [rows, options] of [
      [64, {}],
      [70, { batchSize: 70 }],
    ] as const) {
      const changes = { 'onnx/vision_model.onnx': tinyVision({ rows }) };
      const fixed = await loadClip(writeTinyModel(join(dir, `rows-${rows}`), changes), options);
      const images = Array<RgbImage>(2 * rows).fill(image);
      expect(await fixed.embedImages(images)).toHaveLength(2 * rows * 12);
      await expect(fixed.embedImages(images.slice(1))).rejects.toThrow(/vision_model\.onnx: cannot be run/);
      await fixed.close();
    }
  });

  it('gives a network of float16 its pixels as such, and reads what it gives', async () => {
    const halves = await loadClip(
      writeTinyModel(join(dir, 'halves'), { 'onnx/vision_model.onnx': tinyHalves() }),
    );
    // .2 and .6 to 11 bits: 1638/8192 and 1229/2048.
    const rounded = PLANES.map((v) =>
      Math.abs(v) === 0.2 ? Math.sign(v) * (1638 / 8192) : v === 0.6 ? 1229 / 2048 : v,
    );
    close(await halves.embedImages([image]), unit(rounded));
    await halves.close();
  });

  it('reads names and sizes from the folder', () => {
    expect(model).toMatchObject({ name: 'tiny', dimension: 12, contextLength: 12 });
    expect(Object.keys(model.files)).toEqual([
      'config.json',
      'preprocessor_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'onnx/vision_model.onnx',
      'onnx/text_model.onnx',
    ]);
    expect(model.files['onnx/text_model.onnx']).toBe(createHash('sha256').update(tinyText()).digest('hex'));
  });

  it('embeds images: preprocessing, network, length 1', async () => {
    close(await model.embedImages([image]), unit(PLANES));
    const brighter = { ...image, data: Uint8Array.from({ length: 12 }, () => 255) };
    const two = await model.embedImages([brighter, image]);
    close(two.subarray(0, 12), unit(Array.from({ length: 12 }, () => 1)));
    close(two.subarray(12), unit(PLANES));
  });

  it('takes crops for the images that they were cut from', async () => {
    // Each pixel four times: the mean over the area gives the first image back.
    const rows = [0, 0, 1, 1].flatMap((y) =>
      [0, 0, 1, 1].map((x) => [...image.data.subarray((y * 2 + x) * 3, (y * 2 + x) * 3 + 3)]),
    );
    const large = { data: Uint8Array.from(rows.flat()), width: 4, height: 4 };
    const crop = model.crop(large);
    expect([crop.width, crop.height]).toEqual([2, 2]);
    close(await model.embedImages([crop]), unit(PLANES));
    close(await model.embedImages([structuredClone(crop)]), unit(PLANES));
    expect(model.crop(crop)).toBe(crop);
    const foreign = { ...crop, width: 3 };
    await expect(model.embedImages([foreign])).rejects.toThrow('another model');
  });

  it('embeds texts: ids, padded by the pad token, length 1', async () => {
    // start, cat</w>, end; '!' is not in the vocabulary, so that padding is 0.
    close(await model.embedTexts(['Cat']), unit([60, 53, 61, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  });

  it('gives equal texts equal rows, in the order asked', async () => {
    const rows = await model.embedTexts(['cat', 'a', 'a', 'cat', 'b', 'CAT']);
    const row = (i: number) => [...rows.subarray(i * 12, (i + 1) * 12)];
    expect([row(3), row(5)]).toEqual([row(0), row(0)]);
    expect(row(2)).toEqual(row(1));
    expect(new Set([row(0), row(1), row(4)].map(String)).size).toBe(3);
  });

  it('tells a network that asks for it which ids are padding', async () => {
    const masked = writeTinyModel(join(root, 'masked'), {
      'onnx/text_model.onnx': tinyText({ masked: true }),
      'tokenizer_config.json': { ...TINY_TOKENIZER_CONFIG, pad_token: 'z</w>' },
    });
    const other = await loadClip(masked);
    // Ids times mask: the padding of 51 is gone, the caption is whole.
    close(await other.embedTexts(['cat']), unit([60, 53, 61, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    await other.close();
  });

  it('takes none, and more than one batch', async () => {
    expect(await model.embedImages([])).toHaveLength(0);
    expect(await model.embedTexts([])).toHaveLength(0);
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    const texts = letters.flatMap((a) => letters.slice(0, 6).map((b) => `${a} ${b}`));
    const all = await model.embedTexts(texts);
    close(all.subarray(150 * 12, 151 * 12), unit([60, 26 + 25, 26, 61, 0, 0, 0, 0, 0, 0, 0, 0]));
    const many = await model.embedImages(Array.from({ length: 130 }, () => image));
    close(many.subarray(129 * 12), unit(PLANES));
  });

  it('works in a worker thread', async () => {
    const worker = new Worker(new URL('./embed-worker.ts', import.meta.url), { workerData: { dir, image } });
    const exited = new Promise((done) => worker.once('exit', done));
    const answer = await new Promise<{ images: Float32Array; texts: Float32Array }>((done, fail) => {
      worker.once('message', done);
      worker.once('error', fail);
    });
    expect(answer.images).toEqual(await model.embedImages([image]));
    expect(answer.texts).toEqual(await model.embedTexts(['cat']));
    expect(await exited).toBe(0);
  });

  it('finds networks beside the configuration too, and a text length that is not fixed', async () => {
    const flat = writeTinyModel(join(root, 'flat'), {
      'onnx/vision_model.onnx': null,
      'onnx/text_model.onnx': null,
      'tokenizer_config.json': null,
      'vision_model.onnx': tinyVision({ imageOutput: 'only_output' }),
      'text_model.onnx': tinyText(),
    });
    const other = await loadClip(flat);
    close(await other.embedImages([image]), unit(PLANES));
    expect(Object.keys(other.files)).toContain('vision_model.onnx');
    await other.close();
  });
});

describe('identifyModel', () => {
  it('gives the identity without loading the networks', async () => {
    const { name, dimension, files } = model;
    expect(await identifyModel(dir)).toEqual({ name, dimension, files });
  });
});

describe('a model folder that is not right', () => {
  const vision = tinyVision();
  it.each([
    ['no configuration', { 'config.json': null }, /config\.json: is missing/],
    [
      'a configuration that is not JSON',
      { 'config.json': '{' },
      /config\.json: is not understood \(not JSON\)/,
    ],
    [
      'no dimension',
      { 'config.json': { ...TINY_CONFIG, projection_dim: undefined } },
      /config\.json: has no projection_dim/,
    ],
    ['no context length', { 'config.json': { projection_dim: 12 } }, /config\.json: has no text_config/],
    ['no preprocessing', { 'preprocessor_config.json': null }, /preprocessor_config\.json: is missing/],
    [
      'another resampling',
      { 'preprocessor_config.json': { ...TINY_PREPROCESSOR, resample: 1 } },
      /preprocessor_config\.json: .*resample/,
    ],
    ['no tokenizer', { 'tokenizer.json': null }, /tokenizer\.json: is missing/],
    ['a tokenizer that is none', { 'tokenizer.json': {} }, /tokenizer\.json: is not a tokenizer/],
    ['no network', { 'onnx/vision_model.onnx': null }, /vision_model\.onnx: is missing/],
    [
      'a cut network',
      { 'onnx/vision_model.onnx': vision.slice(0, -20) },
      /vision_model\.onnx: is not an ONNX network/,
    ],
    ['an empty network', { 'onnx/text_model.onnx': '' }, /text_model\.onnx: is not an ONNX network/],
    [
      'a page in place of a network',
      { 'onnx/text_model.onnx': '<!doctype html>' },
      /text_model\.onnx: is not an ONNX network/,
    ],
    [
      'another dimension',
      { 'config.json': { ...TINY_CONFIG, projection_dim: 16 } },
      /vision_model\.onnx: gives embeddings of 12 numbers, but config\.json says 16/,
    ],
    [
      'another image size',
      { 'onnx/vision_model.onnx': tinyVision({ imageSize: 3, dimension: 12 }) },
      /vision_model\.onnx/,
    ],
    [
      'more tokens than the network takes',
      { 'config.json': { ...TINY_CONFIG, text_config: { max_position_embeddings: 13 } } },
      /text_model\.onnx: takes 12 tokens, but the configuration says 13/,
    ],
    [
      'another input',
      { 'onnx/text_model.onnx': tinyText({ textInput: 'words' }) },
      /text_model\.onnx: wants the inputs words/,
    ],
  ])('%s', async (name, changes, message) => {
    const broken = writeTinyModel(join(root, name), changes);
    const error = await loadClip(broken).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GleanerError);
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: expect.stringMatching(message) });
    expect((error as GleanerError).message).not.toContain('\n');
  });

  it('no folder at all', async () => {
    await expect(loadClip(join(root, 'nowhere'))).rejects.toThrow(/nowhere.*no such folder/);
  });

  it('numbers that are no direction', async () => {
    const dark = { ...image, data: new Uint8Array(12) };
    const flat = writeTinyModel(join(root, 'flat pixels'), {
      'preprocessor_config.json': { ...TINY_PREPROCESSOR, do_normalize: false },
    });
    const other = await loadClip(flat);
    await expect(other.embedImages([dark])).rejects.toThrow(
      /vision_model\.onnx: image_embeds is not a direction/,
    );
    await other.close();
    const divided = writeTinyModel(join(root, 'by zero'), {
      'preprocessor_config.json': { ...TINY_PREPROCESSOR, image_mean: [0, 0, 0], image_std: [0, 1, 1] },
    });
    const nan = await loadClip(divided);
    await expect(nan.embedImages([dark])).rejects.toThrow(/MODEL_INVALID|not a direction/);
    await nan.close();
  });

  it('keeps to the length of tokenizer_config.json where config.json names none', async () => {
    const named = writeTinyModel(join(root, 'named'), {
      'config.json': { projection_dim: 12 },
      'tokenizer_config.json': { ...TINY_TOKENIZER_CONFIG, model_max_length: 12 },
    });
    const other = await loadClip(named);
    expect(other.contextLength).toBe(12);
    await other.close();
  });
});

describe('resolveModel', () => {
  it('takes a folder for itself', () => {
    expect(resolveModel(dir)).toBe(resolve(dir));
  });

  it.each(['clip', './no/such/folder', import.meta.filename])('says what to do about %s', (name) => {
    expect(() => resolveModel(name)).toThrow(/no such model folder.*gleaner-mini/);
    expect(() => resolveModel(name)).toThrow(GleanerError);
  });
});
