/**
 * The trained half of the encoder: one linear layer with a hidden layer beside it for pictures, a weighted bag of
 * tokens for texts.
 */
import { type BuildLoss, filled, normal, normalize, type Tensor, zeros } from '../autodiff/index.ts';
import type { Initializer } from '../autodiff/parameters.ts';

export interface HeadShape {
  /** Length of a feature vector. */
  readonly features: number;
  readonly hidden: number;
  /** Length of an embedding. */
  readonly dims: number;
  /** Tokens in the vocabulary. */
  readonly tokens: number;
}

/** What the sigmoid loss of each kind of pair weighs; the contrastive loss weighs 1. */
export interface SigmoidWeights {
  readonly matched: number;
  readonly mismatched: number;
}

/** The usual threshold of LAION-400M for ViT-B/32: cosine 0.3 divides matched from mismatched pairs. */
export const BOUNDARY = 0.3;

/** Largest scale of the contrastive loss and slope of the sigmoid loss. */
const MAX_SCALE = 60;
const MAX_SLOPE = 20;

/** Standardised features [n, features] → `x·L + relu(x·H + h)·O + b` of length 1, [n, dims]. */
function embedFeatures(x: Tensor, { features, hidden, dims }: HeadShape): Tensor {
  const { graph } = x;
  // Linear and hidden layer side by side, in one product.
  const width = dims + hidden;
  const start: Initializer = (value, _, rng) => {
    const [linear, relu] = [0.3 / Math.sqrt(features), 0.58 / Math.sqrt(features)];
    for (let i = 0; i < value.length; i++) value[i] = rng.normal(i % width < dims ? linear : relu);
  };
  const weight = graph.parameter('weight', [features, width], start);
  const both = x.matMul(weight).add(graph.parameter('bias', [width], zeros));
  const out = graph.parameter('out', [hidden, dims], zeros); // training starts from the linear layer alone
  return normalize(both.slice(1, 0, dims).add(both.slice(1, dims, width).relu().matMul(out)));
}

/** How often each token stands in each text, [n, tokens] → the sum of `exp(w) · E` of length 1, [n, dims]. */
function embedCounts(counts: Tensor, { dims, tokens }: HeadShape): Tensor {
  const { graph } = counts;
  const embedding = graph.parameter('embedding', [tokens, dims], normal(0.05));
  const tokenWeight = graph.parameter('tokenWeight', [tokens], zeros); // logarithms
  return normalize(counts.matMul(embedding.mul(tokenWeight.exp().reshape([tokens, 1]))));
}

/**
 * InfoNCE in both directions over the batch's cosines (Radford et al. 2021), and a sigmoid loss whose boundary is
 * fixed at cosine 0.3 and in which each kind of pair, matched and mismatched, has a weight as a whole, however many
 * there are: it is what gives the customary threshold of 0.3 a meaning for this encoder.
 *
 * @param cosines - Of texts (rows) and pictures (columns), [n, n].
 * @param positives - 1 where a text fits a picture, [n, n].
 */
function lossesOf(cosines: Tensor, positives: Tensor, { matched, mismatched }: SigmoidWeights) {
  const { graph } = cosines;
  const scale = graph.parameter('logScale', [1], filled(2.6)).exp().atMost(MAX_SCALE);
  const logits = cosines.mul(scale);
  const size = cosines.shape[0]!;
  const towards = (given: Tensor, right: Tensor) =>
    right
      .div(right.sum(1))
      .mul(given.logSoftmax())
      .sumAll()
      .mul(-1 / size);
  const contrastive = towards(logits, positives).add(towards(logits.transposed(), positives.transposed()));

  const slope = graph.parameter('logSlope', [1], filled(2.5)).exp().atMost(MAX_SLOPE);
  const margin = cosines.sub(BOUNDARY).mul(slope);
  const meanWhere = (mask: Tensor, values: Tensor) => mask.mul(values).sumAll().div(mask.sumAll());
  const byMatched = meanWhere(positives, margin.neg().softplus()).mul(matched);
  const byMismatched = meanWhere(positives.neg().add(1), margin.softplus()).mul(mismatched);
  return { contrastive: contrastive.mul(0.5), sigmoid: byMatched.add(byMismatched) };
}

/** A batch of n pairs as a training step takes it. */
export type Batch = {
  /** Standardised, [n, features]. */
  readonly features: Float32Array;
  /** Random bytes for dropout, [n, features]. */
  readonly noise: Uint8Array;
  /** How often each token stands in each caption, [n, tokens]. */
  readonly counts: Float32Array;
  /** 1 where caption (row) fits picture (column), [n, n]. */
  readonly positives: Float32Array;
};

/** Of 256 random bytes, those below leave a feature out: a dropout of 20 %. */
const DROPPED_BYTES = 51;

/** A training step on batches of n pairs: the sum of both losses. */
export function trainingLoss(shape: HeadShape, n: number, weights: SigmoidWeights): BuildLoss {
  return (graph) => {
    const features = graph.input('features', [n, shape.features]);
    const noise = graph.input('noise', [n, shape.features], 'uint8').cast('float32');
    const counts = graph.input('counts', [n, shape.tokens]);
    const positives = graph.input('positives', [n, n]);
    const kept = noise.greater(DROPPED_BYTES - 1).mul(256 / (256 - DROPPED_BYTES));
    const images = embedFeatures(features.mul(kept), shape);
    const cosines = embedCounts(counts, shape).matMul(images.transposed()); // [n texts, n pictures]
    const { contrastive, sigmoid } = lossesOf(cosines, positives, weights);
    return { loss: contrastive.add(sigmoid), outputs: { contrastive, sigmoid } };
  };
}
