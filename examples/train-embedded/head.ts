/**
 * The trained half of the encoder: one linear layer with a hidden layer beside it for pictures, a weighted bag of
 * tokens for texts.
 */
import type { Rng } from '../autodiff/rng.ts';

export interface HeadShape {
  /** Length of a feature vector. */
  readonly features: number;
  readonly hidden: number;
  /** Length of an embedding. */
  readonly dims: number;
  /** Tokens in the vocabulary. */
  readonly tokens: number;
}

/** What is learnt. A picture's embedding is `x·L + relu(x·H + h)·O + b`, a text's the sum of `exp(w) · E`. */
export interface Head {
  /** Linear and hidden layer side by side, [features, dims + hidden]. */
  readonly weight: Float32Array;
  /** [dims + hidden] */
  readonly bias: Float32Array;
  /** Hidden layer to embedding, [hidden, dims]. */
  readonly out: Float32Array;
  /** [tokens, dims] */
  readonly embedding: Float32Array;
  /** Logarithm of each token's weight, [tokens]. */
  readonly tokenWeight: Float32Array;
  /** Logarithm of the scale of the contrastive loss, [1]. */
  readonly logScale: Float32Array;
  /** Logarithm of the slope of the sigmoid loss, [1]. */
  readonly logSlope: Float32Array;
}
export const HEAD_KEYS = [
  'weight',
  'bias',
  'out',
  'embedding',
  'tokenWeight',
  'logScale',
  'logSlope',
] as const;

/** The usual threshold of LAION-400M for ViT-B/32: cosine 0.3 divides matched from mismatched pairs. */
export const BOUNDARY = 0.3;

/** Weights at the start of training. */
export function newHead({ features, hidden, dims, tokens }: HeadShape, rng: Rng): Head {
  const normals = (length: number, deviation: number) =>
    Float32Array.from({ length }, () => rng.normal(deviation));
  const weight = normals(features * (dims + hidden), 1);
  const [linear, relu] = [0.3 / Math.sqrt(features), 0.58 / Math.sqrt(features)];
  for (let i = 0; i < weight.length; i++) weight[i]! *= i % (dims + hidden) < dims ? linear : relu;
  return {
    weight,
    bias: new Float32Array(dims + hidden),
    out: new Float32Array(hidden * dims), // zero: training starts from the linear layer alone
    embedding: normals(tokens * dims, 0.05),
    tokenWeight: new Float32Array(tokens),
    logScale: Float32Array.of(2.6),
    logSlope: Float32Array.of(2.5),
  };
}
