import { expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { openMatMul } from '../../examples/autodiff/runtime.ts';
import { Batches } from '../../examples/train-embedded/batches.ts';
import { BpeEncoder } from '../../examples/train-embedded/bpe.ts';
import { type Dataset, exampleOf, learnVocabulary, pixelsOf } from '../../examples/train-embedded/dataset.ts';
import { loadDrawings } from '../../examples/train-embedded/drawings.ts';
import { openEmbedder } from '../../examples/train-embedded/embedder.ts';
import { evaluate } from '../../examples/train-embedded/evaluate.ts';
import { textModel, visionModel } from '../../examples/train-embedded/export.ts';
import { featureCount, openFeatureExtractor } from '../../examples/train-embedded/features.ts';
import { learnFilterBank, samplePatches } from '../../examples/train-embedded/patches.ts';
import { trainHead } from '../../examples/train-embedded/trainer.ts';

test('48 drawings are learnt by heart in 300 steps, the same way each time', async () => {
  const drawings = new Rng(1).sample(loadDrawings('twemoji'), 48);
  const examples = drawings.map(exampleOf);
  const encoder = new BpeEncoder(learnVocabulary(examples, 300));
  const pixels = await pixelsOf(drawings, 'plain', 0);
  const rng = new Rng(2);
  const bank = await learnFilterBank(samplePatches(pixels, 2000, rng), 16, await openMatMul(), rng);
  const features = await (await openFeatureExtractor(bank))(pixels);
  const width = featureCount(bank.count);
  const data: Dataset = {
    examples,
    views: 1,
    width,
    features,
    backgrounds: examples.map(() => null),
    mean: new Float32Array(width),
    deviation: new Float32Array(width).fill(1),
  };
  const shape = { features: width, hidden: 32, dims: 32, tokens: encoder.size };
  const schedule = { steps: 300, batch: 48, rate: 1e-2, warmUp: 5, decay: 0, sigmoidWeight: 4 };
  const train = async () => {
    const losses: number[] = [];
    const head = await trainHead(new Batches(data, encoder, new Rng(3)), shape, schedule, new Rng(4), (p) => {
      losses.push(p.contrastive);
    });
    return { losses, head };
  };
  const { losses, head } = await train();
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);

  const trained = { bank, mean: data.mean, deviation: data.deviation, head, shape };
  const embedder = await openEmbedder(
    visionModel(trained),
    textModel(trained, encoder),
    (text) => encoder.encode(text),
    shape.dims,
  );
  const { textToImage } = await evaluate(embedder, { examples, pixels, heldOut: new Set() });
  expect(textToImage.at1).toBeGreaterThan(80); // chance: 2 %

  expect((await train()).losses).toEqual(losses);
});
