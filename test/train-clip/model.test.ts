import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStep, Parameters, Trainer } from '../../examples/autodiff/index.ts';
import { learnTokens, tokensOf } from '../../examples/train-clip/captions.ts';
import { openModel } from '../../examples/train-clip/embedder.ts';
import { evaluate } from '../../examples/train-clip/evaluate.ts';
import { writeModelFolder } from '../../examples/train-clip/export.ts';
import { clip, type Size } from '../../examples/train-clip/model.ts';
import { madePairs } from './made-pictures.ts';

const COUNT = 12;
const SIZE: Size = { side: 16, width: 8, blocks: 1, textWidth: 16, dimension: 16, merges: 50 };

it('learns a dozen pairs by heart, and gleaner embeds them with what was exported as the training did', async () => {
  const pairs = madePairs(COUNT, SIZE.side);
  const encoder = learnTokens(pairs.texts, SIZE.merges);
  const parameters = new Parameters(1);
  const feeds = { pixels: pairs.images, ...tokensOf(encoder, pairs.texts) };
  await using trainer = await Trainer.open({
    build: (graph) => clip(graph, COUNT, encoder.size, SIZE),
    ...{ parameters, recipe: 'a dozen', threads: 1 },
    schedule: { steps: 50, rate: 0.01, warmUp: 5, decay: 0 },
  });
  const first = await trainer.take(feeds);
  expect(first.loss).toBeGreaterThan(Math.log(COUNT) - 0.7);
  let { loss } = first;
  while (!trainer.finished) ({ loss } = await trainer.take(feeds));
  expect(loss).toBeLessThan(0.05);

  const folder = await mkdtemp(join(tmpdir(), 'gleaner-train-clip-'));
  writeModelFolder(folder, { parameters, encoder, size: SIZE });
  const model = await openModel(folder, SIZE.side);
  const step = await openStep(
    (graph) => {
      const { loss, images, texts } = clip(graph, COUNT, encoder.size, SIZE);
      return { loss, outputs: { images, texts } };
    },
    parameters,
    { threads: 1 },
  );
  const { outputs } = await step.run(feeds);
  await step.close();
  const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
  const [images, texts] = [await model.images(pairs.images), await model.texts(pairs.texts)];
  expect(images).toHaveLength(COUNT * SIZE.dimension);
  expect(farthest(images, outputs.images as Float32Array)).toBeLessThan(1e-4);
  expect(farthest(texts, outputs.texts as Float32Array)).toBeLessThan(1e-4);
  const { retrieval } = await evaluate(model, pairs);
  expect([retrieval.textToImage.at1, retrieval.imageToText.at1]).toEqual([100, 100]);
  await model.close();
});
