/** The frozen half of the image encoder: patch filters at several scales, soft threshold, pooling; colour means. */

import { GraphBuilder } from '../autodiff/onnx.ts';
import type { Rng } from '../autodiff/rng.ts';
import { floatsOf, floatTensor, type MatMul, openSession } from '../autodiff/runtime.ts';
import {
  type FilterBank,
  IMAGE_SIZE,
  learnFilterBank,
  PATCH,
  PATCH_VALUES,
  samplePatches,
  VARIANCE_FLOOR,
} from './patches.ts';

/** Patch filters over the picture at a size. */
export interface Scale {
  /** Pixels of the picture, across and down, that become one by their mean. */
  readonly shrink: number;
  readonly filters: number;
  /** Pixels of the shrunken picture between neighbouring patches. */
  readonly stride: number;
  /** Responses are averaged over this many overlapping fields, across and down. */
  readonly fields: number;
}

/** The filters of a scale. */
export interface ScaleBank {
  readonly scale: Scale;
  readonly bank: FilterBank;
}

/** A filter's response counts from here on. */
const THRESHOLD = 0.8;
/** Colours are averaged over so many overlapping fields, across and down. */
const COLOUR_FIELDS = 6;
const BATCH = 64;

/** Length of a feature vector. */
export function featureCount(scales: readonly Scale[]): number {
  const responses = scales.map(({ filters, fields }) => filters * fields ** 2);
  return responses.reduce((a, b) => a + b, 0) + 3 * COLOUR_FIELDS ** 2;
}

/** Learns the filters of each scale from pictures. @param pixels - [n, 3, 64, 64] */
export async function learnScales(
  pixels: Float32Array,
  scales: readonly Scale[],
  patches: number,
  matmul: MatMul,
  rng: Rng,
): Promise<ScaleBank[]> {
  const banks: ScaleBank[] = [];
  for (const scale of scales) {
    const side = IMAGE_SIZE / scale.shrink;
    const sample = samplePatches(shrunken(pixels, scale.shrink), side, patches, rng);
    banks.push({ scale, bank: await learnFilterBank(sample, scale.filters, matmul, rng) });
  }
  return banks;
}

/** Planes of pixels, made smaller by the mean of squares of `shrink` × `shrink`. */
function shrunken(pixels: Float32Array, shrink: number): Float32Array {
  const side = IMAGE_SIZE / shrink;
  const small = new Float32Array(pixels.length / shrink ** 2);
  for (let i = 0; i < pixels.length; i++) {
    const [row, column] = [Math.floor(i / IMAGE_SIZE), i % IMAGE_SIZE]; // rows go on from plane to plane
    small[Math.floor(row / shrink) * side + Math.floor(column / shrink)]! += pixels[i]! / shrink ** 2;
  }
  return small;
}

function averagePool(g: GraphBuilder, value: string, kernel: number, stride: number): string {
  return g.op('AveragePool', [value], { kernel_shape: [kernel, kernel], strides: [stride, stride] });
}

/** Means over overlapping fields that cover a map of `side` × `side`: [batch, n, side, side] → [batch, n · fields²] */
function meansOfFields(g: GraphBuilder, value: string, side: number, fields: number): string {
  const step = Math.floor(side / fields);
  return g.op('Flatten', [averagePool(g, value, side - step * (fields - 1), step)], { axis: 1 });
}

/**
 * Responses of one scale's filters, averaged over its fields.
 *
 * Normalising every patch is not done patch by patch: with filters f of mean zero,
 * `(p - mean(p)) / deviation(p) · f = (p · f) / deviation(p)`, so one convolution and one map of deviations do.
 */
function addResponses(g: GraphBuilder, pixels: string, { scale, bank }: ScaleBank): string {
  const { shrink, stride, fields } = scale;
  const filters = new Float32Array(bank.filters);
  for (let k = 0; k < bank.count; k++) {
    const filter = filters.subarray(k * PATCH_VALUES, (k + 1) * PATCH_VALUES);
    const mean = filter.reduce((sum, v) => sum + v, 0) / PATCH_VALUES;
    for (let i = 0; i < PATCH_VALUES; i++) filter[i]! -= mean;
  }
  const picture = shrink === 1 ? pixels : averagePool(g, pixels, shrink, shrink);
  const channelMean = (value: string) => g.op('ReduceMean', [value], { axes: [1], keepdims: 1 });
  const weights = g.floats([bank.count, 3, PATCH, PATCH], filters);
  const products = g.op('Conv', [picture, weights], { strides: [stride, stride] }); // [batch, filters, places, places]
  const mean = averagePool(g, channelMean(picture), PATCH, stride); // [batch, 1, places, places]
  const meanSquare = averagePool(g, channelMean(g.op('Mul', [picture, picture])), PATCH, stride);
  const biased = g.op('Relu', [g.op('Sub', [meanSquare, g.op('Mul', [mean, mean])])]);
  const variance = g.op('Mul', [biased, g.scalar(PATCH_VALUES / (PATCH_VALUES - 1))]);
  const deviation = g.op('Sqrt', [g.op('Add', [variance, g.scalar(VARIANCE_FLOOR)])]);
  const thresholds = g.floats(
    [bank.count, 1, 1],
    bank.offsets.map((v) => v + THRESHOLD),
  );
  const responses = g.op('Relu', [g.op('Sub', [g.op('Div', [products, deviation]), thresholds])]);
  const places = Math.floor((IMAGE_SIZE / shrink - PATCH) / stride) + 1;
  return meansOfFields(g, responses, places, fields);
}

/**
 * Adds the feature extractor to a graph.
 *
 * @param pixels - [batch, 3, 64, 64], 0..1
 * @returns [batch, featureCount]
 */
export function addFeatures(g: GraphBuilder, pixels: string, banks: readonly ScaleBank[]): string {
  const responses = banks.map((bank) => addResponses(g, pixels, bank));
  return g.op('Concat', [...responses, meansOfFields(g, pixels, IMAGE_SIZE, COLOUR_FIELDS)], { axis: 1 });
}

/** Pixels [pictures, 3, 64, 64] → features [pictures, featureCount]. */
export type FeatureExtractor = (pixels: Float32Array) => Promise<Float32Array>;

/** Opens the extractor: [pictures, 3, 64, 64] → [pictures, featureCount]. */
export async function openFeatureExtractor(banks: readonly ScaleBank[]): Promise<FeatureExtractor> {
  const g = new GraphBuilder('features');
  const pixels = g.input('pixels', 'float32', ['batch', 3, IMAGE_SIZE, IMAGE_SIZE]);
  const width = featureCount(banks.map(({ scale }) => scale));
  g.output('features', addFeatures(g, pixels, banks), 'float32', ['batch', width]);
  const session = await openSession(g.toModel());
  const values = 3 * IMAGE_SIZE ** 2;
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
