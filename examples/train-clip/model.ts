/**
 * CLIP (Radford et al. 2021), small: two towers that bring pictures and captions to points of one sphere, and a loss by which
 * those of a pair come to lie near each other. Letters in shapes: b pairs of a batch, t tokens, w width, d dimension.
 */
import {
  conv2d,
  crossEntropy,
  filled,
  type Graph,
  gather,
  linear,
  normal,
  normalize,
  ones,
  quickGelu,
  type Tensor,
  zeros,
} from '../autodiff/index.ts';
import { CONTEXT } from './captions.ts';

export interface Size {
  /** Pixels a side: a multiple of 16. */
  readonly side: number;
  /** Channels of the first stage of the image tower; each of the two after it has twice as many. */
  readonly width: number;
  /** Residual blocks of each stage. */
  readonly blocks: number;
  readonly textWidth: number;
  /** Length of an embedding. */
  readonly dimension: number;
  /** Learnt merges of bytes at most: the vocabulary has 514 tokens more. */
  readonly merges: number;
}

const STAGES = [1, 2, 4];

/** x [b, in, h, v] → [b, out, h / stride, v / stride]: 3 × 3 with a border of zeros, or tiles as large as the stride */
function convolve(x: Tensor, name: string, out: number, stride = 1, scale = 1): Tensor {
  const { graph } = x;
  const channels = x.shape[1]!;
  const side = stride === 1 ? 3 : stride;
  // He et al. 2015, section 2.2: keeps the variance behind a rectifier.
  const deviation = normal(scale * Math.sqrt(2 / (channels * side * side)));
  const kernel = graph.parameter(`${name}.weight`, [out, channels, side, side], deviation);
  const bias = graph.parameter(`${name}.bias`, [out, 1, 1], zeros);
  return conv2d(x, kernel, { stride, padding: stride === 1 ? 1 : 0 }).add(bias);
}

/**
 * A residual network without normalisation (as Fixup, Zhang et al. 2019: what joins the stream begins small), which costs as
 * much as its convolutions here: pixels [b, 3, side, side], -1 to 1 → [b, d], of length 1.
 */
export function imageTower(pixels: Tensor, { width, blocks, dimension }: Size): Tensor {
  const [batch] = pixels.shape as readonly [number];
  let x = convolve(pixels, 'image.stem', width, 4); // [b, w, side / 4, side / 4]
  for (const [stage, times] of STAGES.entries()) {
    const name = `image.stages.${stage}`;
    if (stage > 0) x = convolve(x.relu(), `${name}.down`, times * width, 2); // half as wide and high
    for (let i = 0; i < blocks; i++) {
      const hidden = convolve(x.relu(), `${name}.blocks.${i}.in`, times * width).relu();
      x = x.add(convolve(hidden, `${name}.blocks.${i}.out`, times * width, 1, 0.3));
    }
  }
  const seen = x
    .relu()
    .mean(2, 3)
    .reshape([batch, 4 * width]); // [b, 4w]
  return normalize(linear(seen, 'image.projection', dimension, 1 / Math.sqrt(4 * width)));
}

/** A weighted bag of tokens: ids int64 [b, t], mask int64 [b, t] → [b, d], of length 1. */
export function textTower(
  ids: Tensor,
  mask: Tensor,
  tokens: number,
  { textWidth: w, dimension }: Size,
): Tensor {
  const { graph } = ids;
  const [batch, length] = ids.shape as readonly [number, number];
  const table = graph.parameter('text.tokens.weight', [tokens, w], normal(0.02));
  const weights = graph.parameter('text.importance.weight', [tokens, 1], ones);
  const importance = gather(weights, ids).mul(mask.cast('float32').reshape([batch, length, 1])); // [b, t, 1]
  const bag = gather(table, ids).mul(importance).sum(1).reshape([batch, w]);
  const hidden = quickGelu(linear(bag, 'text.hidden', 2 * w, 1 / Math.sqrt(w))); // [b, 2w]
  const direct = linear(bag, 'text.direct', dimension, 1 / Math.sqrt(w));
  return normalize(linear(hidden, 'text.projection', dimension, 1 / Math.sqrt(2 * w)).add(direct));
}

/**
 * InfoNCE (van den Oord et al. 2018) both ways, as CLIP has it: each picture has to find its caption among all of the batch, and
 * each caption its picture; the temperature is learnt, from 0.07, and never below 0.01.
 */
function contrastiveLoss(images: Tensor, texts: Tensor): { readonly loss: Tensor; readonly scale: Tensor } {
  const { graph } = images;
  const [batch] = images.shape as readonly [number];
  const scale = graph
    .parameter('logScale', [], filled(Math.log(1 / 0.07)))
    .atMost(Math.log(100))
    .exp(); // []
  const logits = images.matMul(texts.transposed()).mul(scale); // [b, b], a row for each picture
  const own = graph.integers([...Array(batch).keys()]); // [b]
  const byImage = crossEntropy(logits, own).meanAll();
  const byText = crossEntropy(logits.transposed(), own).meanAll();
  return { loss: byImage.add(byText).mul(0.5), scale };
}

/** A training step: pixels uint8 [b, 3, side, side], ids and mask int64 [b, t]. */
export function clip(graph: Graph, batch: number, tokens: number, size: Size) {
  const pixels = graph.input('pixels', [batch, 3, size.side, size.side], 'uint8');
  const ids = graph.input('ids', [batch, CONTEXT], 'int64');
  const mask = graph.input('mask', [batch, CONTEXT], 'int64');
  const images = imageTower(pixels.cast('float32').div(127.5).sub(1), size); // [b, d]
  const texts = textTower(ids, mask, tokens, size); // [b, d]
  return { ...contrastiveLoss(images, texts), images, texts };
}
