/**
 * One training step, forward and backward, written out as an ONNX graph: a dozen matrix products that onnxruntime
 * runs about as fast as a framework would.
 *
 * The loss is InfoNCE in both directions over the batch's cosines (Radford et al. 2021), and beside it a sigmoid
 * loss whose boundary is fixed at cosine 0.3 and in which all matched and all mismatched pairs weigh the same: it is
 * what gives the customary threshold of 0.3 a meaning for this encoder.
 */

import { GraphBuilder } from '../autodiff/onnx.ts';
import { BOUNDARY, type HeadShape } from './head.ts';

/** Largest scale of the contrastive loss and slope of the sigmoid loss. */
const MAX_SCALE = 60;
const MAX_SLOPE = 20;
/** Of 256 random bytes, those below leave a feature out: a dropout of 20 %. */
const DROPPED_BYTES = 51;

type Grow = (opType: string, ...inputs: string[]) => string;

/** Both losses of a matrix of cosines, and the gradients by cosine, scale and slope. */
function addLoss(
  g: GraphBuilder,
  cosines: string,
  positives: string,
  logScale: string,
  logSlope: string,
  sigmoidWeight: number,
  size: string,
) {
  const op: Grow = (opType, ...inputs) => g.op(opType, inputs);
  const half = g.scalar(0.5);
  const capped = (log: string, cap: number) => {
    const raw = op('Exp', log);
    const free = g.cast(op('Less', raw, g.scalar(cap)), 'float32'); // no gradient once at the cap
    return { value: op('Min', raw, g.scalar(cap)), free };
  };

  const scale = capped(logScale, MAX_SCALE);
  const logits = op('Mul', cosines, scale.value);
  const parts = [1, 0].map((axis) => {
    const target = op('Div', positives, g.sum(positives, axis));
    const logProbability = g.op('LogSoftmax', [logits], { axis });
    const loss = op('Neg', op('Div', g.sum(op('Mul', target, logProbability), 0, 1), size));
    return { loss, slope: op('Div', op('Sub', op('Exp', logProbability), target), size) };
  });
  const contrastive = op('Mul', half, op('Add', parts[0]!.loss, parts[1]!.loss));
  const byLogit = op('Mul', half, op('Add', parts[0]!.slope, parts[1]!.slope));

  const slope = capped(logSlope, MAX_SLOPE);
  const away = op('Sub', cosines, g.scalar(BOUNDARY));
  const margin = op('Mul', away, slope.value);
  const negatives = op('Sub', g.scalar(1), positives);
  const share = (mask: string) => op('Div', op('Mul', mask, g.scalar(sigmoidWeight / 2)), g.sum(mask, 0, 1));
  const [matched, mismatched] = [share(positives), share(negatives)]; // each class weighs the same
  const miss = op(
    'Add',
    op('Mul', matched, op('Softplus', op('Neg', margin))),
    op('Mul', mismatched, op('Softplus', margin)),
  );
  const sigmoid = g.sum(miss, 0, 1);
  const byMargin = op(
    'Sub',
    op('Mul', mismatched, op('Sigmoid', margin)),
    op('Mul', matched, op('Sigmoid', op('Neg', margin))),
  );

  const byLog = (gradient: string, input: string, { value, free }: { value: string; free: string }) =>
    op('Mul', g.sum(op('Mul', gradient, input), 0, 1), op('Mul', value, free));
  return {
    contrastive,
    sigmoid,
    byCosine: op('Add', op('Mul', byLogit, scale.value), op('Mul', byMargin, slope.value)),
    byLogScale: byLog(byLogit, cosines, scale),
    byLogSlope: byLog(byMargin, away, slope),
  };
}

/** The graph of one step: losses and the gradient by every parameter (of the embedding, only the batch's rows). */
export function trainingStep(
  { features, hidden, dims, tokens }: HeadShape,
  sigmoidWeight: number,
): Uint8Array {
  const g = new GraphBuilder('training step');
  const op: Grow = (opType, ...inputs) => g.op(opType, inputs);
  const transposed = (value: string) => g.op('Transpose', [value], { perm: [1, 0] });
  const input = (name: string, ...shape: (number | string)[]) => g.input(name, 'float32', shape);
  const columns = (value: string, from: number, to: number) =>
    g.op('Slice', [value, g.ints(from), g.ints(to), g.ints(1)]);

  const x0 = input('features', 'B', features);
  const noise = g.input('noise', 'uint8', ['B', features]);
  const tokenIds = g.input('tokenIds', 'int64', ['U']);
  const counts = input('counts', 'B', 'U');
  const positives = input('positives', 'B', 'B');
  const weight = input('weight', features, dims + hidden);
  const bias = input('bias', dims + hidden);
  const out = input('out', hidden, dims);
  const embedding = input('embedding', tokens, dims);
  const tokenWeight = input('tokenWeight', tokens);
  const logScale = input('logScale', 1);
  const logSlope = input('logSlope', 1);

  // Pictures: x [B, features] → p [B, dims + hidden] → v [B, dims]
  const limit = g.constant({ type: 'uint8', dims: [], data: Uint8Array.of(DROPPED_BYTES - 1) });
  const kept = g.cast(op('Greater', noise, limit), 'float32');
  const x = op('Mul', op('Mul', x0, kept), g.scalar(256 / (256 - DROPPED_BYTES)));
  const p = op('Add', op('MatMul', x, weight), bias);
  const hiddenIn = columns(p, dims, dims + hidden);
  const h = op('Relu', hiddenIn);
  const v = g.normalizeRows(op('Add', columns(p, 0, dims), op('MatMul', h, out)));

  // Texts: weighted counts [B, U] × rows of the embedding [U, dims] → t [B, dims]
  const rows = op('Gather', embedding, tokenIds);
  const weighted = op('Mul', counts, op('Exp', op('Gather', tokenWeight, tokenIds)));
  const t = g.normalizeRows(op('MatMul', weighted, rows));

  const cosines = op('MatMul', t.unit, transposed(v.unit)); // [B texts, B pictures]
  const size = g.cast(op('Size', g.sum(positives, 1)), 'float32');
  const loss = addLoss(g, cosines, positives, logScale, logSlope, sigmoidWeight, size);

  // Backward. Through u = s / |s|: ds = (du - u (u · du)) / |s|
  const throughNorm = (byUnit: string, { unit, length }: { unit: string; length: string }) =>
    op('Div', op('Sub', byUnit, op('Mul', unit, g.sum(op('Mul', unit, byUnit), 1))), length);
  const byT = throughNorm(op('MatMul', loss.byCosine, v.unit), t);
  const byV = throughNorm(op('MatMul', transposed(loss.byCosine), t.unit), v);
  const active = g.cast(op('Greater', hiddenIn, g.scalar(0)), 'float32');
  const byHidden = op('Mul', op('MatMul', byV, transposed(out)), active);
  const byP = g.op('Concat', [byV, byHidden], { axis: 1 });
  const byWeighted = op('MatMul', byT, transposed(rows));

  const give = (name: string, value: string, ...shape: (number | string)[]) =>
    g.output(name, value, 'float32', shape);
  give('contrastive', loss.contrastive, 1, 1);
  give('sigmoid', loss.sigmoid, 1, 1);
  give('by_weight', op('MatMul', transposed(x), byP), features, dims + hidden);
  give('by_bias', op('Squeeze', g.sum(byP, 0), g.ints(0)), dims + hidden);
  give('by_out', op('MatMul', transposed(h), byV), hidden, dims);
  give('by_embedding', op('MatMul', transposed(weighted), byT), 'U', dims);
  give('by_tokenWeight', op('Squeeze', g.sum(op('Mul', byWeighted, weighted), 0), g.ints(0)), 'U');
  give('by_logScale', op('Reshape', loss.byLogScale, g.ints(1)), 1);
  give('by_logSlope', op('Reshape', loss.byLogSlope, g.ints(1)), 1);
  return g.toModel();
}
