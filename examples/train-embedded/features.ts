/** The frozen half of the image encoder: patch filters, soft threshold, pooling, and colour means. */
import { GraphBuilder } from '../autodiff/onnx.ts';
import { floatsOf, floatTensor, openSession } from '../autodiff/runtime.ts';
import { type FilterBank, IMAGE_SIZE, PATCH, PATCH_VALUES, VARIANCE_FLOOR } from './patches.ts';

/** Pixels between neighbouring patches; 30 × 30 patches of a 64 × 64 picture. */
const STRIDE = 2;
/** A filter's response counts from here on. */
const THRESHOLD = 0.8;
/** Responses are averaged over 4 × 4 overlapping fields of 9 × 9 patches, colours over 6 × 6 of 14 × 14 pixels. */
const RESPONSE_FIELDS = { side: 4, kernel: 9, stride: 7 };
const COLOUR_FIELDS = { side: 6, kernel: 14, stride: 10 };
const BATCH = 64;

/** Length of a feature vector; 5,228 for 320 filters. */
export function featureCount(filters: number): number {
  return filters * RESPONSE_FIELDS.side ** 2 + 3 * COLOUR_FIELDS.side ** 2;
}

function averagePool(g: GraphBuilder, value: string, kernel: number, stride: number): string {
  return g.op('AveragePool', [value], { kernel_shape: [kernel, kernel], strides: [stride, stride] });
}

/**
 * Adds the feature extractor to a graph.
 *
 * Normalising every patch is not done patch by patch: with filters f of mean zero,
 * `(p - mean(p)) / deviation(p) · f = (p · f) / deviation(p)`, so one convolution and one map of deviations do.
 *
 * @param pixels - [batch, 3, 64, 64], 0..1
 * @returns [batch, featureCount]
 */
export function addFeatures(g: GraphBuilder, pixels: string, bank: FilterBank): string {
  const filters = new Float32Array(bank.filters);
  for (let k = 0; k < bank.count; k++) {
    const filter = filters.subarray(k * PATCH_VALUES, (k + 1) * PATCH_VALUES);
    const mean = filter.reduce((sum, v) => sum + v, 0) / PATCH_VALUES;
    for (let i = 0; i < PATCH_VALUES; i++) filter[i]! -= mean;
  }
  const channelMean = (value: string) => g.op('ReduceMean', [value], { axes: [1], keepdims: 1 });
  const weights = g.floats([bank.count, 3, PATCH, PATCH], filters);
  const products = g.op('Conv', [pixels, weights], { strides: [STRIDE, STRIDE] }); // [batch, filters, 30, 30]
  const mean = averagePool(g, channelMean(pixels), PATCH, STRIDE); // [batch, 1, 30, 30]
  const meanSquare = averagePool(g, channelMean(g.op('Mul', [pixels, pixels])), PATCH, STRIDE);
  const biased = g.op('Relu', [g.op('Sub', [meanSquare, g.op('Mul', [mean, mean])])]);
  const variance = g.op('Mul', [biased, g.scalar(PATCH_VALUES / (PATCH_VALUES - 1))]);
  const deviation = g.op('Sqrt', [g.op('Add', [variance, g.scalar(VARIANCE_FLOOR)])]);
  const thresholds = g.floats(
    [bank.count, 1, 1],
    bank.offsets.map((v) => v + THRESHOLD),
  );
  const responses = g.op('Relu', [g.op('Sub', [g.op('Div', [products, deviation]), thresholds])]);
  const pooled = averagePool(g, responses, RESPONSE_FIELDS.kernel, RESPONSE_FIELDS.stride);
  const colours = averagePool(g, pixels, COLOUR_FIELDS.kernel, COLOUR_FIELDS.stride);
  const flatten = (value: string) => g.op('Flatten', [value], { axis: 1 });
  return g.op('Concat', [flatten(pooled), flatten(colours)], { axis: 1 });
}

/** Computes features of many pictures. */
export type FeatureExtractor = (pixels: Float32Array) => Promise<Float32Array>;

/** Opens the extractor: [pictures, 3, 64, 64] → [pictures, featureCount]. */
export async function openFeatureExtractor(bank: FilterBank): Promise<FeatureExtractor> {
  const g = new GraphBuilder('features');
  const pixels = g.input('pixels', 'float32', ['batch', 3, IMAGE_SIZE, IMAGE_SIZE]);
  g.output('features', addFeatures(g, pixels, bank), 'float32', ['batch', featureCount(bank.count)]);
  const session = await openSession(g.toModel());
  const [values, width] = [3 * IMAGE_SIZE ** 2, featureCount(bank.count)];
  return async (all) => {
    const count = all.length / values;
    const features = new Float32Array(count * width);
    for (let from = 0; from < count; from += BATCH) {
      const size = Math.min(BATCH, count - from);
      const part = all.subarray(from * values, (from + size) * values);
      const output = await session.run({ pixels: floatTensor(part, size, 3, IMAGE_SIZE, IMAGE_SIZE) });
      features.set(floatsOf(output.features), from * width);
    }
    return features;
  };
}
