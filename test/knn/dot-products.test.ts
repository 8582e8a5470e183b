import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernels } from '../../scripts/build-kernels.ts';
import { DotProducts } from '../../src/knn/dot-products.ts';

const number = fc.float({ min: -2, max: 2, noNaN: true });

function products(dimension: number, rows: readonly Float32Array[], queries: readonly Float32Array[]) {
  const dots = new DotProducts(dimension);
  for (const row of rows) dots.add(row);
  const all = queries.map(() => new Float32Array(rows.length));
  dots.multiply(Float32Array.from(queries.flatMap((query) => [...query])), (q, first, some) =>
    all[q]?.set(some, first),
  );
  return all;
}

describe('inner products', () => {
  it('are those of double precision, within what float32 rounds', () => {
    const vectors = (dimension: number, most: number) =>
      fc.array(fc.array(number, { minLength: dimension, maxLength: dimension }), { maxLength: most });
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 37 })
          .chain((dimension) =>
            fc.tuple(fc.constant(dimension), vectors(dimension, 40), vectors(dimension, 40)),
          ),
        ([dimension, rows, queries]) => {
          const of = (lists: readonly number[][]) => lists.map((list) => Float32Array.from(list));
          const got = products(dimension, of(rows), of(queries));
          for (const [q, query] of of(queries).entries())
            for (const [r, row] of of(rows).entries()) {
              const exact = query.reduce((sum, x, i) => sum + x * (row[i] ?? 0), 0);
              expect(Math.abs((got[q]?.[r] ?? Number.NaN) - exact)).toBeLessThan(1e-4);
            }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are the same to the bit whatever is computed beside them', () => {
    const dimension = 129;
    const rows = Array.from({ length: 1203 }, (_, r) =>
      Float32Array.from({ length: dimension }, (_, i) => Math.sin(r * 131 + i * 7)),
    );
    const queries = rows.slice(0, 71);
    const all = products(dimension, rows, queries);
    for (const [q, r] of [
      [0, 0],
      [70, 1202],
      [33, 511],
      [34, 512],
      [5, 1024],
    ] as const) {
      const [alone] = products(dimension, rows.slice(r, r + 1), queries.slice(q, q + 1));
      expect(alone?.[0]).toBe(all[q]?.[r]);
    }
  });

  it('can begin at a row, forget all, and refuse rows of another width', () => {
    const dots = new DotProducts(2);
    for (const row of [
      [1, 0],
      [0, 1],
      [1, 1],
    ])
      dots.add(Float32Array.from(row));
    const seen: [number, number[]][] = [];
    dots.multiply(Float32Array.of(2, 3), (_, first, some) => seen.push([first, [...some]]), 1);
    expect(seen).toEqual([[1, [3, 5]]]);
    dots.clear();
    dots.multiply(Float32Array.of(2, 3), () => expect.unreachable());
    expect(dots.rows).toBe(0);
    expect(() => dots.add(Float32Array.of(1))).toThrow(RangeError);
  });

  it('are made of the source as it is', () => {
    expect(compileKernels('assembly/vectors.ts')).toBe(
      readFileSync(new URL('../../src/knn/kernels.generated.ts', import.meta.url), 'utf8'),
    );
  });
});
