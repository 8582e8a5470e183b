import { describe, expect, test } from 'vitest';
import { cohensKappa } from '../../src/stages/review/agreement.ts';
import { shareOfSums, type Term, weightedSum, wilson } from '../../src/stages/review/interval.ts';

const ALL = Number.POSITIVE_INFINITY;

describe('wilson', () => {
  // Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3; more digits by scipy 1.17.1,
  // binomtest(yes, n).proportion_ci(0.95, 'wilson').
  test.each([
    [81, 263, 0.2552885198782742, 0.36620957698280004],
    [15, 148, 0.06238639953073629, 0.16048724172330803],
    [0, 20, 0, 0.16112515805281935],
    [1, 29, 0.006113214292762667, 0.17175521879320282],
    [29, 30, 0.8332960900859083, 0.9940914096183875],
    [8, 8, 0.6755924351161198, 1],
    [1, 1, 0.20654931437723745, 1],
  ])('%i of %i', (yes, judged, low, high) => {
    const interval = wilson({ yes, judged, pairs: ALL });
    expect(interval.low).toBeCloseTo(low, 12);
    expect(interval.high).toBeCloseTo(high, 12);
  });

  // The roots of (p − q)² = z² q (1 − q) / n · (N − n) / (N − 1), by scipy.optimize.brentq, outward to whole pairs.
  test.each([
    [25, 30, 584, 390, 541],
    [8, 8, 12, 10, 12],
    [0, 10, 40, 0, 10],
    [3, 8, 1_000_000, 136_844, 694_257],
    // One pair is left: it may be either, and no third thing.
    [29, 30, 31, 29, 30],
  ])('%i of %i, of %i pairs in all', (yes, judged, pairs, low, high) => {
    const interval = wilson({ yes, judged, pairs });
    expect([interval.low * pairs, interval.high * pairs].map((n) => Math.round(n * 1e6) / 1e6)).toEqual([
      low,
      high,
    ]);
  });

  test('of pairs that are all judged nothing is left open', () => {
    expect(wilson({ yes: 7, judged: 8, pairs: 8 })).toEqual({ low: 0.875, high: 0.875 });
  });
});

describe('weightedSum', () => {
  // Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: the difference of two shares.
  test.each([
    [56, 70, 48, 80, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.1705, 0.809],
    [6, 7, 2, 7, 0.0582, 0.8062],
    [5, 56, 0, 29, -0.0381, 0.1926],
    [0, 10, 0, 20, -0.1611, 0.2775],
    [10, 10, 0, 20, 0.6791, 1],
  ])('%i/%i − %i/%i', (a, m, b, n, low, high) => {
    const sum = weightedSum([
      { weight: 1, draw: { yes: a, judged: m, pairs: ALL } },
      { weight: -1, draw: { yes: b, judged: n, pairs: ALL } },
    ]);
    expect(sum.low).toBeCloseTo(low, 4);
    expect(sum.high).toBeCloseTo(high, 4);
  });

  test('a term that stands for all is its own interval', () => {
    const draw = { yes: 25, judged: 30, pairs: 584 };
    const { value, low, high } = weightedSum([{ weight: 1, draw }]);
    expect(value).toBe(25 / 30);
    expect({ low, high }).toEqual({
      low: expect.closeTo(wilson(draw).low, 12),
      high: expect.closeTo(wilson(draw).high, 12),
    });
  });
});

test('shareOfSums is where (1 − r) A − r B may be nothing, by a grid of 200,001 shares in numpy', () => {
  const term = (yes: number, judged: number, pairs: number): Term => ({
    weight: pairs,
    draw: { yes, judged, pairs },
  });
  const found = shareOfSums([term(18, 24, 300)], [term(2, 60, 20_000), term(1, 30, 4_000)]);
  expect(found?.value).toBeCloseTo(EXPECTED_RATIO.value, 12);
  expect(found?.low).toBeCloseTo(EXPECTED_RATIO.low, 5);
  expect(found?.high).toBeCloseTo(EXPECTED_RATIO.high, 5);
  // All is in the one, or in the other; nothing is in either.
  expect(shareOfSums([term(3, 8, 100)], [])).toEqual({ value: 1, low: expect.closeTo(1, 12), high: 1 });
  expect(shareOfSums([], [term(3, 8, 100)])).toEqual({ value: 0, low: 0, high: expect.closeTo(0, 12) });
  expect(shareOfSums([term(0, 8, 100)], [term(0, 8, 100)])).toBeNull();
});
/** By the script that the test's name describes. */
const EXPECTED_RATIO = { value: 0.21951219512195122, low: 0.07912, high: 0.426735 };

describe('cohensKappa', () => {
  const table = (yes: number, yesNo: number, noYes: number, no: number) =>
    [
      ...Array.from({ length: yes }, () => [true, true] as const),
      ...Array.from({ length: yesNo }, () => [true, false] as const),
      ...Array.from({ length: noYes }, () => [false, true] as const),
      ...Array.from({ length: no }, () => [false, false] as const),
    ] as const;

  // scikit-learn 1.9.1, cohen_kappa_score.
  test.each([
    [20, 5, 10, 15, 0.4],
    [110, 8, 2, 5, 0.46074201898188094],
  ])('%i %i %i %i', (yes, yesNo, noYes, no, kappa) => {
    expect(cohensKappa(table(yes, yesNo, noYes, no))).toBeCloseTo(kappa, 12);
  });

  test('of people who say one thing only there is none', () => {
    expect(cohensKappa(table(9, 0, 0, 0))).toBeNull();
  });
});
