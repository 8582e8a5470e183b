/** The trained encoder as two ONNX files with the inputs and outputs of a CLIP exported for transformers.js. */

import type { Parameters } from '../autodiff/index.ts';
import { GraphBuilder } from '../autodiff/onnx.ts';
import type { BpeEncoder } from './bpe.ts';
import { addFeatures, type ScaleBank } from './features.ts';
import type { HeadShape } from './head.ts';
import { IMAGE_SIZE } from './patches.ts';

/** Everything that turns pixels and token ids into embeddings. */
export interface Encoder {
  readonly banks: readonly ScaleBank[];
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
  readonly head: Parameters;
  readonly shape: HeadShape;
}

/** Nearest 8-bit matrix: each column has a scale of its own, `weight ≈ values * scale`. */
function quantizeColumns(weight: Float32Array, columns: number): { values: Int8Array; scales: Float32Array } {
  const scales = new Float32Array(columns);
  for (let i = 0; i < weight.length; i++) {
    scales[i % columns] = Math.max(scales[i % columns]!, Math.abs(weight[i]!) / 127);
  }
  const values = Int8Array.from(weight, (w, i) => Math.round(w / (scales[i % columns]! || 1)));
  return { values, scales };
}

/** `value · weight` with the weight kept at 8 bits; onnxruntime unpacks it once, when it loads the model. */
function matMulInt8(g: GraphBuilder, value: string, weight: Float32Array, columns: number): string {
  const { values, scales } = quantizeColumns(weight, columns);
  const dims = [weight.length / columns, columns];
  const unpacked = g.cast(g.constant({ type: 'int8', dims, data: values }), 'float32');
  return g.op('Mul', [g.op('MatMul', [value, unpacked]), g.floats([columns], scales)]);
}

/** pixel_values [batch, 3, 64, 64] (0..1) → image_embeds [batch, dims], of length 1. */
export function visionModel({ banks, mean, deviation, head, shape }: Encoder): Uint8Array {
  const { dims, hidden, features } = shape;
  const g = new GraphBuilder('gleaner-mini vision');
  const pixels = g.input('pixel_values', 'float32', ['batch_size', 3, IMAGE_SIZE, IMAGE_SIZE]);
  const centred = g.op('Sub', [addFeatures(g, pixels, banks), g.floats([features], mean)]);
  const x = g.op('Div', [centred, g.floats([features], deviation)]);
  const bias = g.floats([dims + hidden], head.get('bias').value);
  const p = g.op('Add', [matMulInt8(g, x, head.get('weight').value, dims + hidden), bias]);
  const columns = (from: number, to: number) => g.op('Slice', [p, g.ints(from), g.ints(to), g.ints(1)]);
  const active = g.op('Relu', [columns(dims, dims + hidden)]);
  const fromHidden = matMulInt8(g, active, head.get('out').value, dims);
  const { unit } = g.normalizeRows(g.op('Add', [columns(0, dims), fromHidden]));
  g.output('image_embeds', unit, 'float32', ['batch_size', dims]);
  return g.toModel('gleaner-mini: a small contrastive encoder that knows emoji. Not CLIP.');
}

/**
 * input_ids, attention_mask [batch, tokens] → text_embeds [batch, dims], of length 1. Start and end tokens weigh
 * nothing; a text of nothing else gets one fixed direction, so that it is finite.
 */
export function textModel({ head, shape }: Encoder, { startId, endId }: BpeEncoder): Uint8Array {
  const { dims, tokens } = shape;
  const g = new GraphBuilder('gleaner-mini text');
  const ids = g.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = g.input('attention_mask', 'int64', ['batch_size', 'sequence_length']);
  const [embedding, tokenWeight] = [head.get('embedding').value, head.get('tokenWeight').value];
  const rows = new Float32Array(tokens * dims);
  const scales = new Float32Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const weight = t === startId || t === endId ? 0 : Math.exp(tokenWeight[t]!);
    let largest = 0;
    for (let i = t * dims; i < (t + 1) * dims; i++) largest = Math.max(largest, Math.abs(embedding[i]!));
    const unit = largest / 127 || 1;
    for (let i = t * dims; i < (t + 1) * dims; i++) rows[i] = embedding[i]! / unit;
    scales[t] = weight * unit;
  }
  const packed = g.constant({ type: 'int8', dims: [tokens, dims], data: Int8Array.from(rows, Math.round) });
  const gathered = g.cast(g.op('Gather', [packed, ids]), 'float32'); // [batch, tokens, dims]
  const weights = g.op('Mul', [g.op('Gather', [g.floats([tokens], scales), ids]), g.cast(mask, 'float32')]);
  const weighted = g.op('Mul', [gathered, g.op('Unsqueeze', [weights, g.ints(2)])]);
  const bag = g.op('ReduceSum', [weighted, g.ints(1)], { keepdims: 0 });
  const { unit } = g.normalizeRows(g.op('Add', [bag, g.scalar(1e-6)]));
  g.output('text_embeds', unit, 'float32', ['batch_size', dims]);
  return g.toModel('gleaner-mini: a small contrastive encoder that knows emoji. Not CLIP.');
}
