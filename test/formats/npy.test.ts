import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createNpyWriter,
  NPY_HEADER_BYTES,
  npyHeader,
  npyInfo,
  readNpyRows,
  toFloat16,
  toFloat32,
} from '../../src/formats/index.ts';
import { memorySink, memorySource } from './support.ts';

/** numpy 2.4: np.save of np.array([[1, -2, 0.5], [65504, 6e-8, 0]], dtype=np.float16). */
const NUMPY = Buffer.from(
  '934e554d5059010076007b276465736372273a20273c6632272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a003c00c00038ff7b01000000',
  'hex',
);
const NUMBERS = new Float32Array([1, -2, 0.5, 65504, 6e-8, 0]);

test('writes what numpy.save writes', async () => {
  const sink = memorySink();
  const writer = await createNpyWriter(sink, { dtype: 'float16', rows: 2, columns: 3 });
  await writer.writeRows(NUMBERS.subarray(0, 3));
  await writer.writeRows(NUMBERS.subarray(3));
  await writer.finish();
  expect(Buffer.from(sink.bytes()).toString('hex')).toBe(NUMPY.toString('hex'));
});

test('the header has one length, so that it can be written again', () => {
  for (const rows of [0, 5, 10 ** 12])
    expect(npyHeader({ dtype: 'float32', rows, columns: 768 }).length).toBe(NPY_HEADER_BYTES);
});

test('reads ranges of rows, and no more than them', async () => {
  const source = memorySource(NUMPY);
  const info = await npyInfo(source);
  expect(info).toEqual({ dtype: 'float16', rows: 2, columns: 3, dataOffset: 128 });
  source.reads.length = 0;
  expect([...(await readNpyRows(source, { rowStart: 1, info }))]).toEqual([65504, 2 ** -24, 0]);
  expect(source.reads).toEqual([[134, 140]]);
  expect((await readNpyRows(source, { rowStart: 2 })).length).toBe(0);
  await expect(readNpyRows(source, { rowEnd: 3 })).rejects.toThrow(RangeError);
});

test('float32 goes through unchanged', async () => {
  const sink = memorySink();
  const writer = await createNpyWriter(sink, { dtype: 'float32', rows: 3, columns: 2 });
  await writer.writeRows(NUMBERS);
  await writer.finish();
  expect(await readNpyRows(memorySource(sink.bytes()))).toEqual(NUMBERS);
});

test('the writer holds its caller to the header', async () => {
  const writer = await createNpyWriter(memorySink(), { dtype: 'float32', rows: 1, columns: 3 });
  await expect(writer.writeRows(new Float32Array(2))).rejects.toThrow('not whole rows');
  await expect(writer.finish()).rejects.toThrow('0 rows');
  await expect(writer.writeRows(new Float32Array(6))).rejects.toThrow('more rows');
});

test.each([
  ['no npy file', Buffer.from('PK\x03\x04 and so on'), 'is not an npy file'],
  ['empty', Buffer.alloc(0), 'is not an npy file'],
  ['cut off', NUMPY.subarray(0, -1), 'is cut off'],
  ['a header cut off', NUMPY.subarray(0, 50), 'header is cut off'],
  ['Fortran order', Buffer.from(NUMPY.toString('latin1').replace('False', 'True '), 'latin1'), 'C-order'],
  ['doubles', Buffer.from(NUMPY.toString('latin1').replace('<f2', '<f8'), 'latin1'), 'C-order'],
  ['a vector', Buffer.from(NUMPY.toString('latin1').replace('(2, 3)', '(6,)  '), 'latin1'), 'C-order'],
  [
    'a huge shape',
    Buffer.from(NUMPY.toString('latin1').replace('(2, 3), }       ', '(99999999999, 3)'), 'latin1'),
    'is cut off',
  ],
])('refuses %s', async (_, bytes, problem) => {
  await expect(npyInfo(memorySource(bytes), 'x.npy')).rejects.toMatchObject({
    code: 'DAMAGED',
    message: expect.stringContaining(problem),
  });
});

describe('float16', () => {
  test('all 65,536 halves, by the formula of IEEE 754, 3.4', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const values = toFloat32(all);
    const back = toFloat16(values);
    for (const h of all) {
      const [s, e, f] = [h >>> 15, (h >>> 10) & 31, h & 1023];
      const expected =
        (s ? -1 : 1) *
        (e === 31 ? (f ? NaN : Infinity) : e === 0 ? (f / 1024) * 2 ** -14 : (1 + f / 1024) * 2 ** (e - 15));
      if (!Object.is(values[h], expected)) throw new Error(`half ${h}: ${values[h]} for ${expected}`);
      if (back[h] !== (Number.isNaN(expected) ? 0x7e00 : h))
        throw new Error(`half ${h} comes back as ${back[h]}`);
    }
  });

  test('between two halves the nearer one, at the middle the even one, for every pair of neighbours', () => {
    const magnitudes = toFloat32(Uint16Array.from({ length: 0x7c00 }, (_, i) => i));
    const half = (x: number) => toFloat16(Float32Array.of(x))[0];
    for (let h = 0; h < 0x7bff; h++) {
      const low = magnitudes[h] ?? 0;
      const high = magnitudes[h + 1] ?? 0;
      const middle = (low + high) / 2;
      const even = h % 2 === 0 ? h : h + 1;
      const step = 2 ** -24 * Math.max(middle, 2 ** -14); // a float32 step away from the middle, or more
      for (const sign of [1, -1]) {
        const bit = sign < 0 ? 0x8000 : 0;
        if (half(sign * middle) !== (even | bit)) throw new Error(`tie above half ${h}`);
        if (
          half(sign * (middle - 2 * step)) !== (h | bit) ||
          half(sign * (middle + 2 * step)) !== ((h + 1) | bit)
        )
          throw new Error(`beside the tie above half ${h}`);
      }
    }
  });

  test.each([
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1e30, 0x7c00],
    [-Infinity, 0xfc00],
    [-0, 0x8000],
    [2 ** -25, 0],
    [2 ** -25 * 1.001, 1],
    [-(2 ** -40), 0x8000],
  ])('%f', (value, bits) => expect(toFloat16(Float32Array.of(value))[0]).toBe(bits));

  const Native: unknown = Reflect.get(globalThis, 'Float16Array');
  test.skipIf(typeof Native !== 'function')(
    "agrees with the engine's Float16Array (skipped where there is none)",
    () => {
      if (typeof Native !== 'function') return;
      fc.assert(
        fc.property(fc.float32Array({ noNaN: true }), (values) => {
          const native: unknown = Reflect.construct(Native as new () => object, [values]);
          if (!ArrayBuffer.isView(native)) throw new Error('no typed array');
          expect(toFloat16(values)).toEqual(new Uint16Array(native.buffer));
        }),
      );
    },
  );
});
