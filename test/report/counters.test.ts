import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ASPECT_SCALE,
  DistributionCounter,
  INTEGER_SCALE,
  SIMILARITY_SCALE,
} from '../../src/stages/report/distribution.ts';
import { ValueCounter } from '../../src/stages/report/tally.ts';

function count(scale: typeof SIMILARITY_SCALE, values: readonly number[]) {
  const counter = new DistributionCounter(scale);
  for (const value of values) counter.add(value);
  return counter.distribution();
}

const PERCENTS = { p1: 1, p5: 5, p25: 25, p50: 50, p75: 75, p95: 95, p99: 99 };
/** By definition, on all values sorted. */
const nearestRank = (values: readonly number[], percent: number) =>
  values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil((percent * values.length) / 100)) - 1] ?? Number.NaN;

describe('distributions', () => {
  test('quantiles of whole numbers are those of the sorted values', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1 }), (values) => {
        const { quantiles, quintiles } = count(INTEGER_SCALE, values);
        const expected = Object.entries(PERCENTS).map(([name, p]) => [name, nearestRank(values, p)]);
        expect(quantiles).toEqual(Object.fromEntries(expected));
        expect(quintiles).toEqual([20, 40, 60, 80].map((p) => nearestRank(values, p)));
      }),
    );
  });

  test('quantiles of cosines are at most 0.0001 below those of the sorted values', () => {
    const cosine = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(cosine, { minLength: 1 }), (values) => {
        const { quantiles } = count(SIMILARITY_SCALE, values);
        for (const name of ['p1', 'p5', 'p25', 'p50', 'p75', 'p95', 'p99'] as const) {
          const value = quantiles?.[name] ?? Number.NaN;
          const exact = nearestRank(values, PERCENTS[name]);
          expect(value).toBeLessThanOrEqual(exact);
          expect(exact - value).toBeLessThan(0.0001001);
        }
      }),
    );
  });

  test('quantiles of cosines of four decimals are exact', () => {
    for (let n = -10_000; n < 10_000; n += 37) {
      const cosine = n / 10_000;
      // The one in the middle of three is not mended by minimum or maximum.
      expect(count(SIMILARITY_SCALE, [-1, cosine, 1]).quantiles?.p50).toBe(cosine);
    }
  });

  test('every value is in the bin between whose edges it lies, or outside', () => {
    const anyScale = fc.constantFrom(SIMILARITY_SCALE, INTEGER_SCALE, ASPECT_SCALE);
    const anyValue = fc.oneof(
      fc.double({ min: -2, max: 100_000, noNaN: true }),
      fc.integer({ min: -150, max: 150 }).map((n) => n / 100),
    );
    fc.assert(
      fc.property(anyScale, fc.array(anyValue), (scale, values) => {
        const { n, edges, counts, below, above } = count(scale, values);
        expect(n).toBe(values.length);
        expect(below).toBe(values.filter((v) => v < Number(scale.edges[0])).length);
        expect(above).toBe(values.filter((v) => v > Number(scale.edges.at(-1))).length);
        const last = scale.edges.at(-1);
        for (const [i, found] of counts.entries()) {
          const from = edges[i] ?? Number.NaN;
          const to = edges[i + 1] ?? Number.NaN;
          expect(found).toBe(values.filter((v) => v >= from && (v < to || (v === to && to === last))).length);
        }
        expect(counts.reduce((a, b) => a + b, 0) + below + above).toBe(values.length);
      }),
    );
  });

  test('a cosine of exactly the threshold is in the bin above it', () => {
    for (const [value, edge] of [
      [0.28, 0.28],
      [0.29, 0.29],
      [0.3, 0.3],
      [0.57, 0.57],
      [-0.29, -0.29],
      [0.29999999, 0.29],
    ])
      expect(count(SIMILARITY_SCALE, [value ?? 0]).edges[0]).toBe(edge);
  });

  test('nothing counted is no numbers, not zeros', () => {
    expect(count(INTEGER_SCALE, [])).toEqual({
      n: 0,
      min: null,
      max: null,
      mean: null,
      quantiles: null,
      quintiles: null,
      edges: [],
      counts: [],
      below: 0,
      above: 0,
    });
  });
});

describe('value counts', () => {
  test('below its capacity a counter counts everything', () => {
    const counter = new ValueCounter(3);
    for (const value of 'abcabab') counter.add(value);
    expect(counter.overflowed).toBe(false);
    expect(counter.tally(2)).toEqual({
      total: 7,
      distinct: 3,
      top: [
        { value: 'a', count: 3, share: 0.428571 },
        { value: 'b', count: 3, share: 0.428571 },
      ],
    });
  });

  test('above it, all frequent values are there after a second pass, with exact counts', () => {
    const value = fc.oneof(fc.constantFrom('x', 'y'), fc.string({ maxLength: 2 }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (values, capacity) => {
        const counter = new ValueCounter(capacity);
        for (const v of values) counter.add(v);
        if (counter.overflowed) {
          counter.beginRecount();
          for (const v of values) counter.recount(v);
        }
        const exact = Map.groupBy(values, (v) => v);
        const { top, distinct } = counter.tally(capacity);
        for (const { value: v, count: n } of top) expect(n).toBe(exact.get(v)?.length);
        for (const [v, all] of exact)
          if (all.length > values.length / (capacity + 1)) expect(top.map((t) => t.value)).toContain(v);
        expect(distinct).toBe(exact.size > capacity ? null : exact.size);
      }),
    );
  });
});
