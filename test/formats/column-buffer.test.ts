import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ColumnBuffer,
  type ColumnValues,
  pickStrings,
  plainStrings,
  sliceColumn,
  stringBytes,
  stringsEqual,
} from '../../src/formats/index.ts';

type Table = { readonly texts: readonly string[]; readonly dictionary: boolean };

/** The rows as a column, with a dictionary that has them in another order, or without one. */
function columnOf({ texts, dictionary }: Table): ColumnValues {
  if (!dictionary) return plainStrings(texts);
  const entries = [...new Set(texts)].reverse();
  const indices = Uint32Array.from(texts, (text) => entries.indexOf(text));
  return { kind: 'dictionary', dictionary: plainStrings(entries), indices };
}

function textsOf(values: ColumnValues): string[] {
  const rows = values.kind === 'dictionary' ? values.indices.length : lengthOf(values);
  return Array.from({ length: rows }, (_, row) => Buffer.from(stringBytes(values, row) ?? []).toString());
}

function lengthOf(values: ColumnValues): number {
  return values.kind === 'plain' ? values.offsets.length - 1 : 0;
}

const text = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'ü', 'seven b', 'eight by', 'nine byte'),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const table: fc.Arbitrary<Table> = fc.record({
  texts: fc.array(text, { maxLength: 30 }),
  dictionary: fc.boolean(),
});

test('tables one after the other, then in another order, in the same memory again and again', () => {
  const [read, sorted] = [new ColumnBuffer(), new ColumnBuffer()];
  fc.assert(
    fc.property(fc.array(table, { maxLength: 4 }), fc.infiniteStream(fc.double()), (tables, keys) => {
      read.clear();
      for (const one of tables) read.append(columnOf(one));
      const all = tables.flatMap(({ texts }) => texts);
      expect(read.rows).toBe(all.length);
      expect(textsOf(read.values())).toEqual(all);
      const weights = all.map(() => Number(keys.next().value));
      const rows = [...all.keys()].sort((a, b) => (weights[a] ?? 0) - (weights[b] ?? 0) || a - b);
      const places = new Uint32Array(all.length);
      for (const [place, row] of rows.entries()) places[row] = place;
      sorted.scatter(read.values(), places);
      expect(textsOf(sorted.values())).toEqual(rows.map((row) => all[row]));
    }),
    { numRuns: 300 },
  );
});

test('a dictionary is kept while it is small', () => {
  const many = (from: number, count: number): Table => ({
    texts: Array.from({ length: count }, (_, i) => `text ${from + i}`),
    dictionary: true,
  });
  const buffer = new ColumnBuffer();
  const tables = [many(0, 3000), many(1000, 3000), many(0, 5000), many(2000, 10)];
  const kinds = tables.map((one) => {
    buffer.append(columnOf(one));
    return buffer.values().kind;
  });
  expect(kinds).toEqual(['dictionary', 'dictionary', 'plain', 'plain']);
  expect(textsOf(buffer.values())).toEqual(tables.flatMap(({ texts }) => texts));
});

test.each([4, 8, 16] as const)('values of %d bytes', (width) => {
  const [read, sorted] = [new ColumnBuffer(), new ColumnBuffer()];
  const bytes = Uint8Array.from({ length: 3 * width }, (_, i) => i);
  read.append({ kind: 'fixed', width, bytes: bytes.slice(0, width) });
  read.append({ kind: 'fixed', width, bytes: bytes.slice(width) });
  const held = (buffer: ColumnBuffer) => {
    const values = buffer.values();
    return values.kind === 'fixed' ? [values.width, ...values.bytes] : undefined;
  };
  expect(held(read)).toEqual([width, ...bytes]);
  sorted.scatter(read.values(), Uint32Array.of(2, 0, 1));
  expect(held(sorted)).toEqual([width, ...bytes.subarray(width), ...bytes.subarray(0, width)]);
  expect(() => read.append(plainStrings(['a']))).toThrow('fixed and plain');
});

test('rows of a column, and rows of several, without copying or with', () => {
  const plain = columnOf({ texts: ['zero', 'one', 'two', 'three'], dictionary: false });
  const packed = columnOf({ texts: ['a', 'b', 'a', 'c'], dictionary: true });
  expect(textsOf(sliceColumn(plain, 1, 3))).toEqual(['one', 'two']);
  const slice = sliceColumn(packed, 1, 3);
  expect(textsOf(slice)).toEqual(['b', 'a']);
  expect(slice.kind === 'dictionary' && textsOf(slice.dictionary)).toEqual(['b', 'a']);
  const picked = pickStrings([sliceColumn(plain, 1, 3), packed], Uint32Array.of(5, 0, 2, 1, 3));
  expect(textsOf(picked)).toEqual(['c', 'one', 'a', 'two', 'b']);
  expect(() => pickStrings([plain], Uint32Array.of(4))).toThrow(RangeError);
});

test('equal rows are told from all others', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 12 }), fc.boolean(), (texts, dictionary) => {
      const equal = stringsEqual(columnOf({ texts, dictionary }));
      for (const [i, a] of texts.entries())
        for (const [j, b] of texts.entries()) expect(equal(i, j)).toBe(a === b);
    }),
  );
});
