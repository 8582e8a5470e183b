import { Parameters, Trainer } from '../../examples/autodiff/index.ts';
import { learnTokens, tokensOf } from '../../examples/train-clip/captions.ts';
import type { Pairs } from '../../examples/train-clip/data.ts';
import { clip, type Size } from '../../examples/train-clip/model.ts';

export const TINY: Size = { side: 16, width: 8, blocks: 1, textWidth: 16, dimension: 16, merges: 50 };

/** Learns pairs by heart in 50 steps, all of them in each. */
export async function learnByHeart(pairs: Pairs) {
  const encoder = learnTokens(pairs.texts, TINY.merges);
  const parameters = new Parameters(1);
  const feeds = { pixels: pairs.images, ...tokensOf(encoder, pairs.texts) };
  await using trainer = await Trainer.open({
    build: (graph) => clip(graph, pairs.texts.length, encoder.size, TINY),
    ...{ parameters, recipe: 'by heart', threads: 1 },
    schedule: { steps: 50, rate: 0.01, warmUp: 5, decay: 0 },
  });
  const losses: number[] = [];
  while (!trainer.finished) losses.push((await trainer.take(feeds)).loss);
  return { parameters, encoder, size: TINY, feeds, losses };
}
