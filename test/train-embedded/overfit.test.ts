import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { openMatMul } from '../../examples/autodiff/runtime.ts';
import { Batches } from '../../examples/train-embedded/batches.ts';
import { BpeEncoder } from '../../examples/train-embedded/bpe.ts';
import {
  type Dataset,
  exampleOf,
  learnVocabulary,
  toBytes,
  unitsOf,
} from '../../examples/train-embedded/dataset.ts';
import { loadDrawings } from '../../examples/train-embedded/drawings.ts';
import { openEmbedder } from '../../examples/train-embedded/embedder.ts';
import { evaluate } from '../../examples/train-embedded/evaluate.ts';
import { textModel, visionModel } from '../../examples/train-embedded/export.ts';
import { featureCount, learnScales, openFeatureExtractor } from '../../examples/train-embedded/features.ts';
import { type Checkpoint, type Progress, trainHead } from '../../examples/train-embedded/trainer.ts';
import { drawViews, pixelValuesOf } from '../../examples/train-embedded/views.ts';

test('48 drawings are learnt by heart in 300 steps, and a training that ends half-way goes on the same way', async () => {
  const drawings = new Rng(1).sample(loadDrawings('twemoji'), 48);
  const examples = drawings.map(exampleOf);
  const encoder = new BpeEncoder(learnVocabulary(examples, 300));
  const pixels = pixelValuesOf(drawViews(drawings, 'plain', 0));
  const scales = [{ shrink: 1, filters: 16, stride: 2, fields: 4 }];
  const banks = await learnScales(pixels, scales, 2000, await openMatMul(), new Rng(2));
  const rows = await (await openFeatureExtractor(banks))(pixels);
  const width = featureCount(scales);
  const units = unitsOf(rows, width);
  const data: Dataset = {
    examples,
    views: 1,
    width,
    features: toBytes(rows, units),
    units,
    backgrounds: examples.map(() => null),
    mean: new Float32Array(width),
    deviation: new Float32Array(width).fill(1),
  };
  const shape = { features: width, hidden: 32, dims: 32, tokens: encoder.size };
  const schedule = { steps: 300, rate: 1e-2, warmUp: 5, decay: 0 };
  const recipe = { seed: 4, schedule, batch: 48, sigmoid: { matched: 2, mismatched: 2 } };
  const batches = new Batches(data, encoder, 3);
  const train = async (report: (progress: Progress) => void, checkpoint?: Checkpoint) => {
    const losses: number[] = [];
    const { head } = await trainHead(
      batches,
      shape,
      recipe,
      (progress) => {
        losses.push(progress.contrastive);
        report(progress);
      },
      checkpoint,
    );
    return { losses, head };
  };
  const { losses, head } = await train(() => {});
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);

  const trained = { banks, mean: data.mean, deviation: data.deviation, head, shape };
  const embedder = await openEmbedder(
    visionModel(trained),
    textModel(trained, encoder),
    (text) => encoder.encode(text),
    shape.dims,
  );
  const { textToImage } = await evaluate(embedder, { examples, pixels, heldOut: new Set() });
  expect(textToImage.at1).toBeGreaterThan(80); // chance: 2 %

  const path = join(await mkdtemp(join(tmpdir(), 'gleaner-head-')), 'head.safetensors');
  const checkpoint = { path, recipe, every: 0 };
  const ends = ({ step }: Progress) => {
    if (step === 150) throw new Error('the process ends');
  };
  await expect(train(ends, checkpoint)).rejects.toThrow('the process ends');
  expect((await train(() => {}, checkpoint)).losses).toEqual(losses.slice(150));
});
