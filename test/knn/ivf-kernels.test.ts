import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileKernels } from '../../scripts/build-kernels.ts';
import { toFloat16, toFloat32 } from '../../src/formats/index.ts';
import { Best } from '../../src/knn/best.ts';
import { byteStride, CENTRE_ZERO, quantizeCentres } from '../../src/knn/ivf-bytes.ts';
import { CellFinder } from '../../src/knn/ivf-cells.ts';
import { CODE_ZERO, codeStride, Encoder, planeStride } from '../../src/knn/ivf-codes.ts';
import { IvfMemory } from '../../src/knn/ivf-memory.ts';
import { Rotation } from '../../src/knn/rotation.ts';
import { mulberry } from '../support/random.ts';

const dimensions = fc.integer({ min: 1, max: 70 });
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

function numbers(seed: number, count: number): Float32Array {
  const next = mulberry(seed);
  return Float32Array.from({ length: count }, () => 2 * next() - 1);
}

function product(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}

describe('kernels of an IVF index', () => {
  test('are made of the source as it is', () => {
    const made = readFileSync(new URL('../../src/knn/ivf-kernels.generated.ts', import.meta.url), 'utf8');
    expect(made).toBe(compileKernels('assembly/codes.ts'));
  });

  test('a cell is the one with the greatest product, of equal ones the first', () => {
    fc.assert(
      fc.property(dimensions, fc.integer({ min: 1, max: 150 }), seeds, (dimension, count, seed) => {
        const stride = byteStride(dimension);
        const centres = quantizeCentres(numbers(seed, count * dimension), dimension);
        // The last is the first once more: nothing may belong to it.
        const bytes = new Uint8Array((count + 1) * stride);
        bytes.set(centres.bytes);
        bytes.copyWithin(count * stride, 0, stride);
        const rows = 9;
        const signed = new Int8Array(rows * stride);
        const next = mulberry(seed + 1);
        for (let r = 0; r < rows; r++)
          for (let i = 0; i < dimension; i++) signed[r * stride + i] = Math.round(254 * next() - 127);
        const found = new Uint32Array(rows);
        new CellFinder(dimension, count + 1).use({ ...centres, count: count + 1, bytes }).find(signed, found);
        for (let r = 0; r < rows; r++) {
          const row = signed.subarray(r * stride, (r + 1) * stride);
          const products = Array.from({ length: count + 1 }, (_, c) =>
            product(row, bytes.subarray(c * stride, (c + 1) * stride)),
          );
          expect(found[r]).toBe(products.indexOf(Math.max(...products)));
        }
      }),
      { numRuns: 40 },
    );
  });

  test('estimates are those of plain arithmetic, of rows that reach the threshold by both planes', () => {
    const f = Math.fround;
    const some = fc.record({
      planes: fc.integer({ min: 1, max: 9 }),
      count: fc.integer({ min: 1, max: 14 }),
      seed: seeds,
      slack: fc.constantFrom(0, 0.5, 1000),
    });
    fc.assert(
      fc.property(some, ({ planes, count, seed, slack }) => {
        const next = mulberry(seed);
        const memory = new IvfMemory();
        const stride = 16 * planes;
        const reserved = (bytes: number) => memory.reserve(bytes);
        const [high, low] = [reserved((count + 3) * stride), reserved((count + 3) * stride)];
        const [factors, query] = [reserved((count + 3) * 4), reserved(4 * stride)];
        const [positions, estimates] = [reserved(count * 4), reserved(count * 4)];
        for (const at of [high, low])
          memory.bytes(at, (count + 3) * stride).forEach((_, i, all) => {
            all[i] = 256 * next();
          });
        const signed = memory.signedBytes(query, 4 * stride).map(() => Math.round(254 * next() - 127));
        memory.signedBytes(query, 4 * stride).set(signed);
        // One in five was taken out.
        const own = Float32Array.from({ length: count }, () => (next() < 0.2 ? Number.NaN : next()));
        memory.floats(factors, count).set(own);
        const planeProduct = (plane: number, row: number) => {
          const bytes = memory.bytes(plane + row * stride, stride);
          return signed.reduce((sum, x, i) => {
            const byte = bytes[Math.floor(i / 64) * 16 + (i % 16)] ?? 0;
            return sum + x * ((byte >>> (2 * (Math.floor(i / 16) % 4))) & 3);
          }, 0);
        };
        const sum = signed.reduce((all, x) => all + x, 0);
        const [base, scale, threshold] = [f(next() - 0.5), f(next() / (64 * stride)), f(next() - 0.5)];
        const [bias, middle] = [CODE_ZERO * sum, 1.5 * sum];
        const rows = Array.from({ length: count }, (_, row) => {
          const [coarse, fine] = [4 * planeProduct(high, row), planeProduct(low, row)];
          const factor = own[row] ?? 0;
          const most = f(f(f(coarse + f(middle - bias)) * scale) + slack);
          const estimate = f(base + f(factor * f(scale * f(coarse + fine - bias))));
          return { row, estimate, reaches: f(base + f(factor * most)) >= threshold && estimate >= threshold };
        });
        const found = memory.kernels.scan(
          ...([high, low, stride, factors, count, query, base, scale, bias, middle, slack] as const),
          ...([threshold, positions, estimates] as const),
        );
        const expected = rows.filter(({ reaches }) => reaches);
        expect([...memory.numbers(positions, found)]).toEqual(expected.map(({ row }) => row));
        expect([...memory.floats(estimates, found)]).toEqual(expected.map(({ estimate }) => estimate));
        memory.numbers(positions, count).set(rows.map(({ row }) => row).reverse());
        memory.kernels.scanSome(
          ...([high, low, stride, factors, positions, count, query, base, scale, bias, estimates] as const),
        );
        expect([...memory.floats(estimates, count)].reverse()).toEqual(rows.map(({ estimate }) => estimate));
      }),
      { numRuns: 200 },
    );
  });

  test('products with vectors are those of double precision, of float16 ones too', () => {
    fc.assert(
      fc.property(dimensions, seeds, (dimension, seed) => {
        const memory = new IvfMemory();
        const [query, rows] = [numbers(seed, dimension), numbers(seed + 1, 3 * dimension)];
        const halves = toFloat16(rows);
        const queryAt = memory.reserve(dimension * 4 + 16);
        const rowsAt = memory.reserve(3 * dimension * 4 + 16);
        const outAt = memory.reserve(48);
        memory.floats(queryAt, dimension).set(query);
        const check = (stored: Float32Array) => {
          const out = memory.doubles(outAt, 6);
          for (let r = 0; r < 3; r++) {
            const row = stored.subarray(r * dimension, (r + 1) * dimension);
            expect(out[2 * r]).toBeCloseTo(product(query, row), 6);
            expect(out[2 * r + 1]).toBeCloseTo(product(row, row), 6);
          }
        };
        memory.floats(rowsAt, rows.length).set(rows);
        memory.kernels.floatDots(queryAt, rowsAt, 3, dimension, outAt);
        check(rows);
        new Uint16Array(memory.memory.buffer, rowsAt, halves.length).set(halves);
        memory.kernels.halfDots(queryAt, rowsAt, 3, dimension, outAt);
        check(toFloat32(halves));
      }),
      { numRuns: 100 },
    );
  });

  test('every float16 number is read as it is, the smallest too', () => {
    const memory = new IvfMemory();
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i).filter(
      (bits) => (bits & 0x7c00) !== 0x7c00,
    );
    const queryAt = memory.reserve(16);
    const rowsAt = memory.reserve(all.byteLength + 16);
    const outAt = memory.reserve(all.length * 16);
    memory.floats(queryAt, 1).set([1]);
    new Uint16Array(memory.memory.buffer, rowsAt, all.length).set(all);
    memory.kernels.halfDots(queryAt, rowsAt, all.length, 1, outAt);
    const out = memory.doubles(outAt, 2 * all.length);
    const expected = toFloat32(all);
    // Not -0: the product adds it to 0.
    for (const [i, x] of expected.entries()) expect(out[2 * i]).toBe(x + 0);
  });

  test('a rotation keeps lengths and angles, and spreads what is in one coordinate', () => {
    for (const dimension of [1, 3, 32, 48, 512, 768]) {
      const rotation = new Rotation(new IvfMemory(), dimension, 1);
      const [a, b] = [numbers(2, dimension), numbers(3, dimension)];
      const [turnedA, turnedB] = [a.slice(), b.slice()];
      rotation.apply(turnedA);
      rotation.apply(turnedB);
      expect(product(turnedA, turnedB)).toBeCloseTo(product(a, b), 3);
      expect(product(turnedA, turnedA)).toBeCloseTo(product(a, a), 3);
      if (dimension < 32) continue;
      const one = new Float32Array(dimension);
      one[5] = 1;
      rotation.apply(one);
      expect(Math.max(...one.map(Math.abs))).toBeLessThan(6 / Math.sqrt(dimension));
    }
  });

  test('estimates by codes are the products, within the error of four bits', () => {
    const dimension = 96;
    const encoder = new Encoder(dimension, 1);
    const centre = numbers(4, dimension);
    const length = Math.hypot(...centre);
    const cells = {
      centres: quantizeCentres(
        centre.map((x) => x / length),
        dimension,
      ),
      lengths: Float32Array.of(0.7),
    };
    const code = new Uint8Array(codeStride(dimension));
    const errors: number[] = [];
    for (let n = 0; n < 200; n++) {
      const row = numbers(100 + n, dimension).map((x) => x / 5);
      const query = numbers(1000 + n, dimension);
      const factor = encoder.encode(row, 0, cells, code);
      let estimate = 0;
      for (let i = 0; i < dimension; i++) {
        const at = Math.floor(i / 64) * 16 + (i % 16);
        const shift = 2 * (Math.floor(i / 16) % 4);
        const [high, low] = [code[at] ?? 0, code[planeStride(dimension) + at] ?? 0];
        const level = 4 * ((high >>> shift) & 3) + ((low >>> shift) & 3);
        const centreValue = ((cells.centres.bytes[i] ?? 0) - CENTRE_ZERO) * cells.centres.scale * 0.7;
        estimate += (query[i] ?? 0) * (centreValue + factor * (level - CODE_ZERO));
      }
      errors.push(estimate - product(query, row));
    }
    const scale = Math.sqrt(errors.reduce((sum, x) => sum + x * x, 0) / errors.length);
    // Rows are some 1.3 from the centre, queries some 5.7 long: .107 of 1.3 by 5.7 by 1 / √96.
    expect(scale).toBeLessThan(0.12);
    expect(Math.abs(errors.reduce((sum, x) => sum + x, 0) / errors.length)).toBeLessThan(0.03);
  });
});

describe('Best', () => {
  test('keeps the best of what is pushed, equal ones by id', () => {
    const pushed = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.nat(50)), { maxLength: 100 });
    fc.assert(
      fc.property(pushed, fc.nat(20), (all, most) => {
        const best = new Best();
        best.start(most);
        all.forEach(([score, id], place) => {
          best.push(score, id, place);
        });
        const { scores, ids } = best.take();
        const expected = all.toSorted(([a, i], [b, j]) => b - a || i - j).slice(0, most);
        expect(Array.from(scores, (score, i) => [score, ids[i]])).toEqual(expected);
      }),
    );
  });
});
