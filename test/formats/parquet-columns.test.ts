import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Column,
  createParquetWriter,
  parquetInfo,
  type RowOf,
  readParquetRowGroup,
  TableBuilder,
} from '../../src/formats/index.ts';
import { memorySink, memorySource } from './support.ts';

const COLUMNS = [
  { name: 'uid', type: 'hash128' },
  { name: 'url', type: 'string' },
  { name: 'page', type: 'string' },
  { name: 'share', type: 'float' },
  { name: 'score', type: 'double', nullable: true },
] as const satisfies readonly Column[];
type Row = RowOf<typeof COLUMNS>;

const row: fc.Arbitrary<Row> = fc.record({
  uid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  url: fc
    .oneof(fc.string({ unit: 'binary' }), fc.constant('é'.repeat(5000)))
    .map((text) => text.toWellFormed()),
  page: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('http://a/', 'http://b/', '') },
    fc.string().map((text) => text.toWellFormed()),
  ),
  share: fc.float({ noNaN: true }).map(Math.fround),
  score: fc.option(fc.double({ noNaN: true })),
});

/** -0 and 0 are one number to Parquet's bounds, two to vitest. */
const plain = (rows: readonly Row[]) =>
  rows.map((r) => ({ ...r, share: r.share + 0, score: r.score && r.score + 0 }));

test('what is picked of a table is what is read again, in that order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 700 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
      async (rows, numbers) => {
        const table = new TableBuilder(COLUMNS, new Set(['page']));
        const sink = memorySink();
        const writer = createParquetWriter(sink, COLUMNS);
        for (const r of rows) table.add(r);
        const picks = Uint32Array.from(numbers, (n) => n % rows.length);
        await writer.writeColumns(table.values());
        await writer.writeColumns(table.values(picks));
        table.clear();
        expect([table.rows, table.bytes]).toEqual([0, 0]);
        table.add(rows[0] as Row);
        await writer.writeColumns(table.values());
        await writer.finish({ late: 'known' });
        const source = memorySource(sink.bytes());
        const info = await parquetInfo(source);
        expect([...info.kvMetadata]).toEqual([['late', 'known']]);
        const read = await Promise.all([0, 1, 2].map((g) => readParquetRowGroup(source, COLUMNS, g)));
        expect(read.map(plain)).toEqual(
          [rows, Array.from(picks, (at) => rows[at] as Row), rows.slice(0, 1)].map(plain),
        );
      },
    ),
    { numRuns: 60 },
  );
});
