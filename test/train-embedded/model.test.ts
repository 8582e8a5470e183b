/** The committed model: its files, its figures, and that the card says what was measured. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { exampleOf } from '../../examples/train-embedded/dataset.ts';
import { loadDrawings } from '../../examples/train-embedded/drawings.ts';
import { openModelFolder } from '../../examples/train-embedded/embedder.ts';
import { type Embedder, evaluate } from '../../examples/train-embedded/evaluate.ts';
import { modelCard } from '../../examples/train-embedded/model-card.ts';
import type { Metrics } from '../../examples/train-embedded/model-folder.ts';
import { writePixelValues } from '../../examples/train-embedded/resize.ts';
import { composeScene, scenesOf } from '../../examples/train-embedded/scenes.ts';
import { loadClip } from '../../src/clip/index.ts';

const FOLDER = new URL('../../models/gleaner-mini/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');
const metrics: Metrics = JSON.parse(read('metrics.json'));

let embedder: Embedder;
beforeAll(async () => {
  embedder = await openModelFolder(FOLDER);
});

const lengthOf = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0));

describe('files', () => {
  test('take at most 12 MB', () => {
    const names = readdirSync(FOLDER, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
    const bytes = names.map((f) => statSync(`${f.parentPath}/${f.name}`).size);
    expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThan(12e6);
  });

  test('say what the model is', () => {
    const config = JSON.parse(read('config.json'));
    expect(config).toMatchObject({ model_type: 'clip', projection_dim: 512, _name_or_path: 'gleaner-mini' });
    expect(config.vision_config.image_size).toBe(64);
    expect(config.text_config.max_position_embeddings).toBe(77);
    expect(config.text_config.vocab_size).toBe(
      Object.keys(JSON.parse(read('tokenizer.json')).model.vocab).length + 0,
    );
  });

  test('hold a model card with the figures of metrics.json', () => {
    expect(read('README.md')).toBe(modelCard(metrics));
    const { at1, at5, at10 } = metrics.test.varied.textToImage;
    const cells = [at1, at5, at10].map((v) => v.toFixed(1)).join(' / ');
    expect(read('README.md')).toContain(`| gleaner-mini | varied | ${cells} |`);
  });
});

describe('figures', () => {
  test('reach what was asked for, and the control is at chance', () => {
    const { textToImage, pairs } = metrics.test.varied;
    expect(textToImage.at1).toBeGreaterThanOrEqual(50);
    expect(textToImage.at10).toBeGreaterThanOrEqual(82);
    expect(pairs.auc).toBeGreaterThanOrEqual(0.97);
    expect(pairs.kept).toBeGreaterThanOrEqual(80);
    expect(pairs.dropped).toBeGreaterThanOrEqual(95);
    expect(metrics.control?.varied.textToImage.at10).toBeLessThan(3); // chance: 0.7 %
    expect(Math.abs((metrics.control?.varied.pairs.auc ?? 0) - 0.5)).toBeLessThan(0.05);
  });

  test('hold on 200 drawings of the style never trained on', async () => {
    const drawings = new Rng(9).sample(loadDrawings('fluent-emoji'), 200);
    const pixels = await scenesOf(drawings, 'varied', 1);
    const gallery = { examples: drawings.map(exampleOf), pixels, heldOut: new Set<string>() };
    const measured = await evaluate(embedder, gallery);
    expect(measured.pairs.auc).toBeGreaterThan(0.95);
    expect(measured.textToImage.at10).toBeGreaterThan(82); // of 200, so easier than of 1,554
  });
});

describe('the code that loads a CLIP', () => {
  test('loads it and gives the same embeddings', async () => {
    const clip = await loadClip(fileURLToPath(FOLDER));
    const drawing = loadDrawings('fluent-emoji').find((d) => d.id === 'red-apple')!;
    const picture = await composeScene(drawing, 'varied', new Rng(3));
    const pixels = new Float32Array(3 * 64 * 64);
    writePixelValues(picture, 64, pixels, 0);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
    const image = await clip.embedImages([picture]);
    expect(dot(image, await embedder.images(pixels))).toBeGreaterThan(0.99); // resizers may round differently
    const [right, wrong] = ['An illustration of a red apple.', 'a drawing of a blue whale'];
    const texts = await clip.embedTexts([right, wrong]);
    expect(dot(texts.subarray(0, 512), await embedder.texts([right]))).toBeGreaterThan(0.999);
    expect(dot(texts.subarray(0, 512), image)).toBeGreaterThan(0.3);
    expect(dot(texts.subarray(512), image)).toBeLessThan(0.3);
    await clip.close();
  });
});

describe('embeddings', () => {
  test('have length 1, whatever the picture', async () => {
    const noise = new Rng(1);
    const pixels = new Float32Array(3 * 3 * 64 * 64);
    for (let i = 0; i < 64 * 64 * 3; i++) pixels[i] = noise.uniform();
    pixels.fill(1, 2 * 3 * 64 * 64); // noise, black, white
    const embeddings = await embedder.images(pixels);
    for (let i = 0; i < 3; i++)
      expect(lengthOf(embeddings.subarray(i * 512, (i + 1) * 512))).toBeCloseTo(1, 3);
  });

  test.each(['red apple', '', '   ', '猫', '💩💩', 'zzzzqqq '.repeat(500), '<|endoftext|>'])(
    'are finite and of length 1 for %j',
    async (text) => {
      const embedding = await embedder.texts([text]);
      expect(embedding.every(Number.isFinite)).toBe(true);
      expect(lengthOf(embedding)).toBeCloseTo(1, 3);
    },
  );

  test('do not depend on what a text is batched with', async () => {
    const [alone, padded] = [
      await embedder.texts(['cat']),
      await embedder.texts(['cat', 'a much longer text here']),
    ];
    for (let i = 0; i < 512; i++) expect(padded[i]).toBeCloseTo(alone[i]!, 5);
  });
});
