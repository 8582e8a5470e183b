import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Column, createParquetWriter, readParquetNumbers } from '../../src/formats/index.ts';
import { memorySink, memorySource } from './support.ts';

const COLUMNS = [
  { name: 'text', type: 'string' },
  { name: 'whole', type: 'int32' },
  { name: 'single', type: 'float' },
  { name: 'double', type: 'double' },
  { name: 'maybe', type: 'double', nullable: true },
] as const satisfies readonly Column[];

const row = fc.record({
  text: fc.constant('a'),
  whole: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  single: fc.float({ noNaN: true }).map(Math.fround),
  double: fc.double({ noNaN: true }),
  maybe: fc.option(fc.double({ noNaN: true })),
});

test('numbers are read as they were written, NaN where there is none', async () => {
  const groups = fc.array(fc.array(row, { minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(groups, async (given) => {
      const sink = memorySink();
      const writer = createParquetWriter(sink, COLUMNS);
      for (const rows of given) await writer.writeRowGroup(rows);
      await writer.finish();
      const source = memorySource(sink.bytes());
      for (const [group, rows] of given.entries()) {
        const read = async (name: string) => [...(await readParquetNumbers(source, name, group))];
        expect(await read('whole')).toEqual(rows.map(({ whole }) => whole));
        expect(await read('single')).toEqual(rows.map(({ single }) => single));
        expect(await read('double')).toEqual(rows.map(({ double }) => double));
        expect(await read('maybe')).toEqual(rows.map(({ maybe }) => maybe ?? Number.NaN));
      }
    }),
    { numRuns: 50 },
  );
});

test.each([
  ['no such column', 'width', /^a\.parquet: has no column 'width'/],
  ['a column of text', 'text', /^a\.parquet: column 'text' holds values that are not numbers/],
])('%s is refused by name', async (_, column, message) => {
  const sink = memorySink();
  const writer = createParquetWriter(sink, COLUMNS);
  await writer.writeRowGroup([{ text: 'a', whole: 1, single: 1, double: 1, maybe: null }]);
  await writer.finish();
  const read = readParquetNumbers(memorySource(sink.bytes()), column, 0, { name: 'a.parquet' });
  await expect(read).rejects.toThrow(message);
});
