import { expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { openMatMul } from '../../examples/autodiff/runtime.ts';
import { featureCount, openFeatureExtractor } from '../../examples/train-embedded/features.ts';
import {
  type FilterBank,
  learnFilterBank,
  PATCH_VALUES,
  samplePatches,
} from '../../examples/train-embedded/patches.ts';
import { eigenSymmetric, whiteningOf } from '../../examples/train-embedded/whiten.ts';

const randoms = (length: number, rng: Rng) => Float32Array.from({ length }, () => rng.uniform());

test('eigenSymmetric solves a matrix with known eigenvalues', () => {
  // 2 on the diagonal, -1 beside it: eigenvalues 2 - 2 cos(k π / 4), k = 1..3
  const { values } = eigenSymmetric(Float64Array.of(2, -1, 0, -1, 2, -1, 0, -1, 2), 3);
  const sorted = [...values].sort((a, b) => a - b);
  [2 - Math.SQRT2, 2, 2 + Math.SQRT2].forEach((value, i) => {
    expect(sorted[i]).toBeCloseTo(value, 10);
  });
});

test('whitened rows are uncorrelated and of variance 1', async () => {
  const rng = new Rng(1);
  const rows = new Float32Array(2000 * 3);
  for (let r = 0; r < 2000; r++) {
    const [a, b, c] = [rng.normal(3), rng.normal(), rng.normal(0.5)];
    rows.set([a, a + b, b - c], r * 3);
  }
  const { mean, matrix } = whiteningOf(rows, 3, 0);
  const centred = rows.map((v, i) => v - mean[i % 3]!);
  const white = await (await openMatMul())(centred, Float32Array.from(matrix), 2000, 3, 3);
  const again = eigenSymmetric(
    Float64Array.from({ length: 9 }, (_, ij) => {
      let sum = 0;
      for (let r = 0; r < 2000; r++) sum += white[r * 3 + Math.floor(ij / 3)]! * white[r * 3 + (ij % 3)]!;
      return sum / 1999;
    }),
    3,
  );
  for (const value of again.values) expect(value).toBeCloseTo(1, 3);
});

test('k-means finds filters that answer to the edges in the pictures', async () => {
  const rng = new Rng(2);
  // Pictures of vertical stripes, 4 pixels wide, in random gray
  const pixels = new Float32Array(8 * 3 * 64 * 64);
  for (let i = 0; i < pixels.length; i++) pixels[i] = Math.floor((i % 64) / 4) % 2 === 0 ? 0.2 : 0.8;
  const noisy = pixels.map((v) => v + rng.normal(0.02));
  const bank = await learnFilterBank(samplePatches(noisy, 64, 2000, rng), 6, await openMatMul(), rng);
  expect([bank.count, bank.filters.length, bank.offsets.length]).toEqual([6, 6 * PATCH_VALUES, 6]);
  expect(bank.filters.every(Number.isFinite)).toBe(true);
  const scale = { shrink: 1, filters: 6, stride: 2, fields: 4 };
  const extract = await openFeatureExtractor([{ scale, bank }]);
  const striped = await extract(noisy.subarray(0, 3 * 64 * 64));
  const flat = await extract(new Float32Array(3 * 64 * 64).fill(0.5));
  const energy = (features: Float32Array) => features.subarray(0, 6 * 16).reduce((a, b) => a + b, 0);
  expect(energy(striped)).toBeGreaterThan(2 * energy(flat) + 0.1);
});

test('the feature graph does what its definition says, patch by patch, at every scale', async () => {
  const rng = new Rng(7);
  const bankOf = (count: number): FilterBank => ({
    count,
    filters: randoms(count * PATCH_VALUES, rng).map((v) => v - 0.5),
    offsets: randoms(count, rng).map((v) => v - 0.5),
  });
  const large = { scale: { shrink: 1, filters: 3, stride: 2, fields: 4 }, bank: bankOf(3) };
  const small = { scale: { shrink: 4, filters: 2, stride: 1, fields: 3 }, bank: bankOf(2) };
  const pixels = randoms(3 * 64 * 64, rng);
  const features = await (await openFeatureExtractor([large, small]))(pixels);
  expect(features.length).toBe(featureCount([large.scale, small.scale]));
  /** The picture at a quarter of its size: means of 4 × 4 pixels. */
  const quarter = Float32Array.from({ length: 3 * 16 * 16 }, (_, i) => {
    const [c, row, column] = [Math.floor(i / 256), Math.floor(i / 16) % 16, i % 16];
    let sum = 0;
    for (let y = 0; y < 4; y++)
      for (let x = 0; x < 4; x++) sum += pixels[(c * 64 + row * 4 + y) * 64 + column * 4 + x]!;
    return sum / 16;
  });
  const responseIn =
    (picture: Float32Array, side: number, stride: number, bank: FilterBank) =>
    (filter: number, row: number, column: number): number => {
      const patch: number[] = [];
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < 6; y++) {
          for (let x = 0; x < 6; x++)
            patch.push(picture[(c * side + row * stride + y) * side + column * stride + x]!);
        }
      }
      const mean = patch.reduce((a, b) => a + b) / 108;
      const variance = patch.reduce((a, b) => a + (b - mean) ** 2, 0) / 107;
      const dot = patch.reduce(
        (a, b, i) => a + ((b - mean) / Math.sqrt(variance + 0.01)) * bank.filters[filter * 108 + i]!,
        0,
      );
      return Math.max(0, dot - bank.offsets[filter]! - 0.8);
    };
  /** Mean of a field of `kernel` × `kernel` responses, the first of which is at (row, column). */
  const meanOf = (
    response: ReturnType<typeof responseIn>,
    filter: number,
    [row, column]: readonly [number, number],
    kernel: number,
  ): number => {
    let sum = 0;
    for (let y = 0; y < kernel; y++)
      for (let x = 0; x < kernel; x++) sum += response(filter, row + y, column + x);
    return sum / kernel ** 2;
  };
  // 30 × 30 places in 4 × 4 fields: 9 × 9 places, 7 apart
  const atFullSize = responseIn(pixels, 64, 2, large.bank);
  for (const [filter, y, x] of [
    [0, 0, 0],
    [1, 3, 2],
    [2, 1, 3],
  ] as const) {
    const field = meanOf(atFullSize, filter, [y * 7, x * 7], 9);
    expect(features[filter * 16 + y * 4 + x]).toBeCloseTo(field, 4);
  }
  // 11 × 11 places in 3 × 3 fields: 5 × 5 places, 3 apart
  const atQuarter = responseIn(quarter, 16, 1, small.bank);
  for (const [filter, y, x] of [
    [0, 0, 2],
    [1, 2, 1],
  ] as const) {
    const field = meanOf(atQuarter, filter, [y * 3, x * 3], 5);
    expect(features[3 * 16 + filter * 9 + y * 3 + x]).toBeCloseTo(field, 4);
  }
  let blue = 0; // colour field (row 5, column 0) of the third channel: 14 × 14 pixels from (50, 0)
  for (let y = 50; y < 64; y++) for (let x = 0; x < 14; x++) blue += pixels[(2 * 64 + y) * 64 + x]! / 196;
  expect(features[3 * 16 + 2 * 9 + 2 * 36 + 5 * 6]).toBeCloseTo(blue, 5);
});
