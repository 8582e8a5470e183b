/** Layers of transformers. Weights are named below `name`, as PyTorch's state dictionaries do. */
import { layerNorm as normalizeLayer, quickGelu } from './functions.ts';
import { normal, ones, zeros } from './parameters.ts';
import type { Tensor } from './tensor.ts';

/** Deviation of new weights (Radford et al. 2019, GPT-2). */
const DEVIATION = 0.02;

/** x [..., in] → [..., out] */
export function linear(x: Tensor, name: string, out: number, deviation = DEVIATION): Tensor {
  const { graph } = x;
  const weight = graph.parameter(`${name}.weight`, [x.shape.at(-1)!, out], normal(deviation));
  return x.matMul(weight).add(graph.parameter(`${name}.bias`, [out], zeros));
}

/** x [..., n] → [..., n] */
export function layerNorm(x: Tensor, name: string): Tensor {
  const size = [x.shape.at(-1)!];
  const { graph } = x;
  return normalizeLayer(
    x,
    graph.parameter(`${name}.weight`, size, ones),
    graph.parameter(`${name}.bias`, size, zeros),
  );
}

export interface AttentionOptions {
  readonly heads: number;
  /** Added to the attention's logits, as [batch or 1, heads or 1, tokens, tokens]: a large negative number hides. */
  readonly mask?: Tensor;
  /** Deviation of the weights that write into the residual stream. @default .02 */
  readonly outDeviation?: number;
}

/** Multi-head self-attention (Vaswani et al. 2017): x [batch, tokens, width] → [batch, tokens, width] */
export function attention(x: Tensor, name: string, { heads, mask, outDeviation }: AttentionOptions): Tensor {
  const [batch, tokens, width] = x.shape as readonly [number, number, number];
  const size = width / heads;
  const part = (which: string) =>
    linear(x, `${name}.${which}`, width).reshape([batch, tokens, heads, size]).transpose([0, 2, 1, 3]);
  const [q, k, v] = [part('query'), part('key'), part('value')]; // [batch, heads, tokens, size]
  const logits = q.mul(1 / Math.sqrt(size)).matMul(k.transposed()); // [batch, heads, tokens, tokens]
  const weights = (mask ? logits.add(mask) : logits).softmax();
  const mixed = weights.matMul(v).transpose([0, 2, 1, 3]).reshape([batch, tokens, width]);
  return linear(mixed, `${name}.out`, width, outDeviation);
}

export interface TransformerOptions {
  readonly layers: number;
  readonly heads: number;
  readonly mask?: Tensor;
}

/** Pre-norm blocks and a last normalisation: x [batch, tokens, width] → [batch, tokens, width] */
export function transformer(x: Tensor, name: string, { layers, heads, mask }: TransformerOptions): Tensor {
  const width = x.shape.at(-1)!;
  const outDeviation = DEVIATION / Math.sqrt(2 * layers); // GPT-2, section 2.3
  const options = { heads, outDeviation, ...(mask && { mask }) };
  let state = x;
  for (let i = 0; i < layers; i++) {
    const block = `${name}.blocks.${i}`;
    state = state.add(attention(layerNorm(state, `${block}.norm1`), `${block}.attention`, options));
    const hidden = quickGelu(linear(layerNorm(state, `${block}.norm2`), `${block}.mlp.in`, 4 * width));
    state = state.add(linear(hidden, `${block}.mlp.out`, width, outDeviation));
  }
  return layerNorm(state, `${name}.norm`);
}

/** Hides what comes later: [1, 1, tokens, tokens], 0 where a token (row) may look, else a large negative number. */
export function causalMask({ graph }: Tensor, tokens: number): Tensor {
  const mask = Float32Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? -1e9 : 0,
  );
  return graph.constant(mask, [1, 1, tokens, tokens]);
}
