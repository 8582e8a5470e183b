import fc from 'fast-check';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { describe, expect, test } from 'vitest';
import {
  type Column,
  type ColumnValues,
  createParquetWriter,
  parquetFooter,
  parquetInfo,
  type RowOf,
  readParquetColumns,
  readParquetRowGroup,
  readParquetRows,
  stringBytes,
} from '../../src/formats/index.ts';
import { collect, memorySink, memorySource } from './support.ts';

/** pyarrow 26, write_table(compression='zstd', row_group_size=2): 3 rows, columns that may be null, and a list. */
const PYARROW = Buffer.from(
  'UEFSMRUEFUAVSkwVBBUAEgAAKLUv/SAg5QAAsA8AAABodHRwOi8vYS/DpC5wbmcJYi8BAGybTBUAFRIVJCwVBBUQFQYVBhw2ACgJaHR0cDovL2IvGA9odHRwOi8vYS/DpC5wbmcREQAAACi1L/0gCUkAAAIAAAAEAQEDAhUEFQgVGkwVAhUAEgAAKLUv/SAEIQAAAQAAABUAFRIVJCwVBBUQFQYVBhwYBAEAAAAYBAEAAAAWAigEAQAAABgEAQAAABERAAAAKLUv/SAJSQAAAgAAAAMBAQIAFQQVIBUyTBUEFQASAAAotS/9IBCBAAABAAAAAAAAAAEAAAAAACAAFQAVEhUkLBUEFRAVBhUGHBgIAQAAAAAAIAAYCAEAAAAAAAAAFgAoCAEAAAAAACAAGAgBAAAAAAAAABERAAAAKLUv/SAJSQAAAgAAAAQBAQMCFQQVIBUyTBUEFQASAAAotS/9IBCBAAAAAAAAAADQPwAAAAAAAOA/FQAVEhUkLBUEFRAVBhUGHBgIAAAAAAAA4D8YCAAAAAAAANA/FgAoCAAAAAAAAOA/GAgAAAAAAADQPxERAAAAKLUv/SAJSQAAAgAAAAQBAQMCFQQVEBUiTBUEFQASAAAotS/9IAhBAAAAAAA/AADAPxUAFRIVJCwVBBUQFQYVBhwYBAAAwD8YBAAAAD8WACgEAADAPxgEAAAAPxERAAAAKLUv/SAJSQAAAgAAAAQBAQMCFQQVMBU6TBUGFQASAAAotS/9IBilAABgAQACAAMAAAAAAAAAAgBg4AFgARUAFSAVMiwVBhUQFQYVBhwYCAMAAAAAAAAAGAgBAAAAAAAAABYAKAgDAAAAAAAAABgIAQAAAAAAAAAREQAAACi1L/0gEIEAAAIAAAADBAIAAAAGAwIDJAAVBBUAFRJMFQAVABIAACi1L/0gAAEAABUAFQ4VICwVAhUQFQYVBhw2AgAAACi1L/0gBzkAAAIAAAACAAAVBBUIFRpMFQIVABIAACi1L/0gBCEAAP3///8VABUSFSQsFQIVEBUGFQYcGAT9////GAT9////FgAoBP3///8YBP3///8REQAAACi1L/0gCUkAAAIAAAACAQECABUEFRAVIkwVAhUAEgAAKLUv/SAIQQAAAAAAAAAAAIAVABUSFSQsFQIVEBUGFQYcGAgAAAAAAAAAgBgIAAAAAAAAAIAWACgIAAAAAAAAAIAYCAAAAAAAAACAEREAAAAotS/9IAlJAAACAAAAAgEBAgAVBBUQFSJMFQIVABIAACi1L/0gCEEAAAAAAAAAAOg/FQAVEhUkLBUCFRAVBhUGHBgIAAAAAAAA6D8YCAAAAAAAAOg/FgAoCAAAAAAAAOg/GAgAAAAAAADoPxERAAAAKLUv/SAJSQAAAgAAAAIBAQIAFQQVCBUaTBUCFQASAAAotS/9IAQhAAAAACBAFQAVEhUkLBUCFRAVBhUGHBgEAAAgQBgEAAAgQBYAKAQAACBAGAQAACBAEREAAAAotS/9IAlJAAACAAAAAgEBAgAVBBUAFRJMFQAVABIAACi1L/0gAAEAABUAFRoVLCwVAhUQFQYVBhw2AgAAACi1L/0gDWkAAAIAAAACAAIAAAACAQAVBBmcNQAYBnNjaGVtYRUMABUMJQIYA1VSTCUATBwAAAAVAiUCGAVXSURUSAAVBCUCGAlTQU1QTEVfSUQAFQolAhgKc2ltaWxhcml0eQAVCCUCGAFmADUCGAFsFQIVBkw8AAAANQQYBGxpc3QVAgAVBCUCGAdlbGVtZW50ABYGGSwZbCYAHBUMGTUABhAZGANVUkwVDBYEFtQBFvABJm4mCBw2ACgJaHR0cDovL2IvGA9odHRwOi8vYS/DpC5wbmcREQAZLBUEFQAVAgAVABUQFQIAPBYwGQYZJgAEAAAAJgAcFQIZNQAGEBkYBVdJRFRIFQwWBBaUARa4ASauAib4ARwYBAEAAAAYBAEAAAAWAigEAQAAABgEAQAAABERABksFQQVABUCABUAFRAVAgA8KQYZJgICAAAAJgAcFQQZNQAGEBkYCVNBTVBMRV9JRBUMFgQWzAEW8AEm/gMmsAMcGAgBAAAAAAAgABgIAQAAAAAAAAAWACgIAQAAAAAAIAAYCAEAAAAAAAAAEREAGSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVChk1AAYQGRgKc2ltaWxhcml0eRUMFgQWzAEW8AEm7gUmoAUcGAgAAAAAAADgPxgIAAAAAAAA0D8WACgIAAAAAAAA4D8YCAAAAAAAANA/EREAGSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVCBk1AAYQGRgBZhUMFgQWnAEWwAEmzgcmkAccGAQAAMA/GAQAAAA/FgAoBAAAwD8YBAAAAD8REQAZLBUEFQAVAgAVABUQFQIAPCkGGSYABAAAACYAHBUEGTUABhAZOAFsBGxpc3QHZWxlbWVudBUMFgYW6gEWhgImpgkm0AgcGAgDAAAAAAAAABgIAQAAAAAAAAAWACgIAwAAAAAAAAAYCAEAAAAAAAAAEREAGSwVBBUAFQIAFQAVEBUCADwpJgQCGUYAAAAGAAAAFoYJFgQmCBbOCgAZbCYAHBUMGTUABhAZGANVUkwVDBYCFlQWeCaECybWChw2AgAZLBUEFQAVAgAVABUQFQIAPBYAGQYZJgIAAAAAJgAcFQIZNQAGEBkYBVdJRFRIFQwWAhaUARa4ASaEDCbOCxwYBP3///8YBP3///8WACgE/f///xgE/f///xERABksFQQVABUCABUAFRAVAgA8KQYZJgACAAAAJgAcFQQZNQAGEBkYCVNBTVBMRV9JRBUMFgIWvAEW4AEmxA0mhg0cGAgAAAAAAAAAgBgIAAAAAAAAAIAWACgIAAAAAAAAAIAYCAAAAAAAAACAEREAGSwVBBUAFQIAFQAVEBUCADwpBhkmAAIAAAAmABwVChk1AAYQGRgKc2ltaWxhcml0eRUMFgIWvAEW4AEmpA8m5g4cGAgAAAAAAADoPxgIAAAAAAAA6D8WACgIAAAAAAAA6D8YCAAAAAAAAOg/EREAGSwVBBUAFQIAFQAVEBUCADwpBhkmAAIAAAAmABwVCBk1AAYQGRgBZhUMFgIWlAEWuAEm/BAmxhAcGAQAACBAGAQAACBAFgAoBAAAIEAYBAAAIEAREQAZLBUEFQAVAgAVABUQFQIAPCkGGSYAAgAAACYAHBUEGTUABhAZOAFsBGxpc3QHZWxlbWVudBUMFgIWYBaEASasEib+ERw2AgAZLBUEFQAVAgAVABUQFQIAPCkmAgAZRgACAAAAAAAW1AYWAibWChasCAAZHBgMQVJST1c6c2NoZW1hGMAELy8vLy82Z0JBQUFRQUFBQUFBQUtBQXdBQmdBRkFBZ0FDZ0FBQUFBQkJBQU1BQUFBQ0FBSUFBQUFCQUFJQUFBQUJBQUFBQVlBQUFCTUFRQUFBQUVBQU1nQUFBQ01BQUFBWUFBQUFBUUFBQURjL3YvL0FBQUJEQlFBQUFBWUFBQUFCQUFBQUFFQUFBQVFBQUFBQVFBQUFHd0FBQURRL3YvL0JQLy8vd0FBQVFJUUFBQUFHQUFBQUFRQUFBQUFBQUFBQkFBQUFHbDBaVzBBQUFBQVBQLy8vd0FBQUFGQUFBQUFOUC8vL3dBQUFRTVFBQUFBRkFBQUFBUUFBQUFBQUFBQUFRQUFBR1lBQUFETy8vLy9BQUFCQUZ6Ly8vOEFBQUVERUFBQUFDUUFBQUFFQUFBQUFBQUFBQW9BQUFCemFXMXBiR0Z5YVhSNUFBQUFBQVlBQ0FBR0FBWUFBQUFBQUFJQWxQLy8vd0FBQVFJUUFBQUFIQUFBQUFRQUFBQUFBQUFBQ1FBQUFGTkJUVkJNUlY5SlJBQUFBTkQvLy84QUFBQUJRQUFBQU1qLy8vOEFBQUVDRUFBQUFDQUFBQUFFQUFBQUFBQUFBQVVBQUFCWFNVUlVTQUFBQUFnQURBQUlBQWNBQ0FBQUFBQUFBQUVnQUFBQUVBQVVBQWdBQmdBSEFBd0FBQUFRQUJBQUFBQUFBQUVGRUFBQUFCZ0FBQUFFQUFBQUFBQUFBQU1BQUFCVlVrd0FCQUFFQUFRQUFBQUFBQUFBABggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZbBwAABwAABwAABwAABwAABwAAACeBwAAUEFSMQ==',
  'base64',
);

const COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'URL', type: 'string' },
  { name: 'WIDTH', type: 'int32' },
  { name: 'similarity', type: 'double', nullable: true },
  { name: 'f', type: 'float' },
] as const satisfies readonly Column[];
type Row = RowOf<typeof COLUMNS>;

const ROWS: readonly Row[] = [
  { SAMPLE_ID: 1n, URL: 'http://a/ä🍎', WIDTH: -5, similarity: null, f: 0.5 },
  { SAMPLE_ID: 2n ** 62n, URL: '', WIDTH: 2 ** 31 - 1, similarity: 0.3, f: 1.5 },
  { SAMPLE_ID: -1n, URL: 'x', WIDTH: 0, similarity: -1, f: 0 },
];

async function write(groups: readonly (readonly Row[])[], kvMetadata = {}): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = createParquetWriter(sink, COLUMNS, { kvMetadata });
  for (const rows of groups) await writer.writeRowGroup(rows);
  await writer.finish();
  return sink.bytes();
}

test('row groups, key-value metadata and types as given; no group without rows', async () => {
  const source = memorySource(
    await write([ROWS.slice(0, 2), [], ROWS.slice(2)], { 'gleaner.buckets': '[0,3]', b: 'ü' }),
  );
  const info = await parquetInfo(source);
  expect(info.rows).toBe(3);
  expect(info.rowGroups.map(({ rows, rowStart }) => [rows, rowStart])).toEqual([
    [2, 0],
    [1, 2],
  ]);
  expect([...info.kvMetadata]).toEqual([
    ['gleaner.buckets', '[0,3]'],
    ['b', 'ü'],
  ]);
  expect(info.columns).toEqual(
    COLUMNS.map((c) => ({ name: c.name, type: c.type, nullable: c.name === 'similarity' })),
  );
  expect(await collect(readParquetRows(source, COLUMNS))).toEqual(ROWS);
  expect(await collect(readParquetRows(source, COLUMNS, { info, rowGroups: [1, 0] }))).toEqual([
    ROWS[2],
    ROWS[0],
    ROWS[1],
  ]);
});

test('another reader finds zstd, required columns and the rows', async () => {
  const file = memorySource(await write([ROWS]));
  const metadata = await parquetMetadataAsync(file);
  expect(metadata.schema.slice(1).map((e) => e.repetition_type)).toEqual([
    'REQUIRED',
    'REQUIRED',
    'REQUIRED',
    'OPTIONAL',
    'REQUIRED',
  ]);
  expect(metadata.row_groups[0]?.columns.map((c) => c.meta_data?.codec)).toEqual(Array(5).fill('ZSTD'));
  expect(await parquetReadObjects({ file, compressors })).toEqual(ROWS);
});

test('hashes are 16 bytes that nobody packed, and texts in a row', async () => {
  const columns = [{ name: 'h', type: 'hash128' }] as const;
  const rows = ['00112233445566778899aabbccddeeff', 'f'.repeat(32)].map((h) => ({ h }));
  const sink = memorySink();
  const writer = createParquetWriter(sink, columns);
  await writer.writeRowGroup(rows);
  await writer.finish();
  const file = memorySource(sink.bytes());
  const { schema, row_groups } = await parquetMetadataAsync(file);
  expect(schema[1]).toMatchObject({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16 });
  expect(row_groups[0]?.columns[0]?.meta_data?.codec).toBe('UNCOMPRESSED');
  const raw = (await parquetReadObjects({ file })).map((row) => Buffer.from(row.h).toString('hex'));
  expect(raw).toEqual(rows.map(({ h }) => h));
  expect(await collect(readParquetRows(file, columns))).toEqual(rows);
  for (const h of ['', 'F'.repeat(32), 'f'.repeat(33), 'g'.repeat(32)])
    await expect(createParquetWriter(memorySink(), columns).writeRowGroup([{ h }])).rejects.toThrow(
      'no hash of 128 bits',
    );
});

test('hashes are read from texts too', async () => {
  const read = async (h: string) => {
    const sink = memorySink();
    const writer = createParquetWriter(sink, [{ name: 'h', type: 'string' }]);
    await writer.writeRowGroup([{ h }]);
    await writer.finish();
    return collect(readParquetRows(memorySource(sink.bytes()), [{ name: 'h', type: 'hash128' }]));
  };
  expect(await read('0123456789abcdef'.repeat(2))).toEqual([{ h: '0123456789abcdef'.repeat(2) }]);
  await expect(read('0123456789ABCDEF'.repeat(2))).rejects.toThrow("'h' holds a value that is not a hash128");
});

describe('columns', () => {
  /** A file with one column of strings, which are these bytes. */
  async function columnOf(strings: readonly Uint8Array[]): Promise<ColumnValues[]> {
    const offsets = Uint32Array.of(0, ...strings.map((one) => 4 + one.length));
    for (let i = 1; i < offsets.length; i++) offsets[i] = (offsets[i] ?? 0) + (offsets[i - 1] ?? 0);
    const bytes = Buffer.alloc(offsets.at(-1) ?? 0);
    for (const [i, one] of strings.entries()) {
      bytes.writeUInt32LE(one.length, offsets[i]);
      bytes.set(one, (offsets[i] ?? 0) + 4);
    }
    const sink = memorySink();
    const writer = createParquetWriter(sink, [{ name: 's', type: 'string' }]);
    await writer.writeColumns([{ kind: 'plain', bytes, offsets }]);
    await writer.finish();
    const source = memorySource(sink.bytes());
    return collect(readParquetColumns(source, [{ name: 's', type: 'string' }], 0));
  }
  const utf8 = (text: string) => Buffer.from(text);

  test.each([
    ['short', ['a', '', 'ü🍎']],
    [
      'with lengths that are no ASCII',
      ['x'.repeat(127), 'ü'.repeat(64), 'x'.repeat(200), '', '🍎'.repeat(99)],
    ],
    ['in several pages', Array.from({ length: 40 }, (_, i) => `ü${i}`.repeat(20_000))],
  ])('strings come back: %s', async (_, texts) => {
    const [values] = await columnOf(texts.map(utf8));
    const back = texts.map((_text, i) => values && Buffer.from(stringBytes(values, i) ?? []).toString());
    expect(back).toEqual(texts);
  });

  test.each([
    ['between two strings', [[0xc3], [0xa9]]],
    [
      'between two strings of more than 127 bytes',
      [
        [...utf8('x'.repeat(150)), 0xc3],
        [0xa9, ...utf8('x'.repeat(150))],
      ],
    ],
    // The second string has 169 bytes, which is 0xA9.
    ['with what the next length is', [[0xc3], [...utf8('x'.repeat(169))]]],
    ['at the end', [[...utf8('good')], [0xf0, 0x9f, 0x8d]]],
  ])('a character that is cut %s is damage', async (_, strings) => {
    await expect(columnOf(strings.map((one) => Uint8Array.from(one)))).rejects.toMatchObject({
      code: 'DAMAGED',
      cause: { message: 'text that is not UTF-8' },
    });
  });
});

test('the same rows give the same bytes', async () => {
  expect(await write([ROWS, ROWS])).toEqual(await write([ROWS, ROWS]));
});

test('a row group is read without the others', async () => {
  const group = (c: string) =>
    Array.from({ length: 2000 }, (_, i) => ({ ...(ROWS[0] as Row), URL: `${c}${i * 7919}${c.repeat(100)}` }));
  const bytes = await write([group('a'), group('b'), group('c')]);
  const source = memorySource(bytes);
  const info = await parquetInfo(source);
  source.reads.length = 0;
  const rows = await readParquetRowGroup(source, [{ name: 'URL', type: 'string' }], 1, { info });
  expect([rows.length, rows[1]]).toEqual([2000, { URL: `b7919${'b'.repeat(100)}` }]);
  const read = source.reads.reduce((sum, [from, to]) => sum + to - from, 0);
  expect(read).toBeLessThanOrEqual(info.rowGroups[1]?.bytes ?? 0);
});

test('a footer that is read one row group at a time says what the whole one says', async () => {
  const rows = (count: number) => Array.from({ length: count }, () => ROWS[0] as Row);
  // 20 groups: more than fit the short form of Thrift's list.
  const kvMetadata = { a: 'b' };
  for (const groups of [
    [],
    [ROWS],
    [ROWS.slice(0, 2), ROWS.slice(2)],
    Array.from({ length: 20 }, (_, i) => rows(i + 1)),
  ]) {
    const source = memorySource(await write(groups, kvMetadata));
    const whole = await parquetInfo(source);
    const footer = await parquetFooter(source);
    expect([footer.rowGroups, footer.kvMetadata]).toEqual([groups.length, whole.kvMetadata]);
    for (const i of groups.keys()) {
      const one = await footer.rowGroup(source, i);
      expect(one.metadata.row_groups).toEqual([whole.metadata.row_groups[i]]);
      expect(await readParquetRowGroup(source, COLUMNS, 0, { info: one })).toEqual(groups[i]);
    }
    await expect(footer.rowGroup(source, groups.length)).rejects.toMatchObject({ code: 'DAMAGED' });
  }
});

test('no rows at all', async () => {
  const source = memorySource(await write([]));
  expect((await parquetInfo(source)).rows).toBe(0);
  expect(await collect(readParquetRows(source, COLUMNS))).toEqual([]);
});

test('any rows in any groups come back', async () => {
  const row: fc.Arbitrary<Row> = fc.record({
    SAMPLE_ID: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    URL: fc.string({ unit: 'binary', maxLength: 50 }),
    WIDTH: fc.integer(),
    similarity: fc.option(fc.double({ noNaN: true })),
    f: fc.float({ noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(row, { maxLength: 40 }), { maxLength: 4 }), async (groups) => {
      expect(await collect(readParquetRows(memorySource(await write(groups)), COLUMNS))).toEqual(
        groups.flat(),
      );
    }),
    { numRuns: 40 },
  );
});

describe('files of others', () => {
  const source = memorySource(PYARROW);

  test('columns, nulls, zstd', async () => {
    const info = await parquetInfo(source);
    expect(info.columns.map((c) => `${c.name} ${c.type}`)).toEqual([
      'URL string',
      'WIDTH int32',
      'SAMPLE_ID int64',
      'similarity double',
      'f float',
      'l other',
    ]);
    const columns = [
      { name: 'SAMPLE_ID', type: 'int64' },
      { name: 'URL', type: 'string', nullable: true },
      { name: 'WIDTH', type: 'int64', nullable: true },
      { name: 'f', type: 'double' },
    ] as const;
    expect(await collect(readParquetRows(source, columns))).toEqual([
      { SAMPLE_ID: 1n, URL: 'http://a/ä.png', WIDTH: 1n, f: 0.5 },
      { SAMPLE_ID: 2n ** 53n + 1n, URL: 'http://b/', WIDTH: null, f: 1.5 },
      { SAMPLE_ID: -(2n ** 63n), URL: null, WIDTH: -3n, f: 2.5 },
    ]);
  });

  test.each([
    ['a column that is not there', { name: 'TEXT', type: 'string' }, "no column 'TEXT' (it has URL, WIDTH"],
    [
      'a null where none may be',
      { name: 'URL', type: 'string' },
      "column 'URL' holds a value that is not a string",
    ],
    ['another type', { name: 'similarity', type: 'string' }, 'not a string'],
    ['a number that does not fit', { name: 'SAMPLE_ID', type: 'int32' }, 'not a int32'],
  ] as const)('%s', async (_, column, problem) => {
    const rows = collect(readParquetRows(source, [column], { name: 'x.parquet' }));
    await expect(rows).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringMatching(/^x\.parquet: /),
    });
    await expect(rows).rejects.toThrow(problem);
  });

  test.each([
    ['empty', new Uint8Array()],
    ['no Parquet', new TextEncoder().encode('url,text\nhttp://a/,x\n')],
    ['cut off', PYARROW.subarray(0, 2000)],
    [
      'a wrong footer',
      Buffer.concat([PYARROW.subarray(0, -12), Buffer.from('ffffffff', 'hex'), PYARROW.subarray(-8)]),
    ],
  ])('%s', async (_, bytes) => {
    await expect(parquetInfo(memorySource(bytes), 'x')).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  test('a footer, one row group at a time', async () => {
    const { metadata } = await parquetInfo(source);
    const footer = await parquetFooter(source);
    expect(footer.rowGroups).toBe(2);
    for (const i of [0, 1])
      expect((await footer.rowGroup(source, i)).metadata.row_groups).toEqual([metadata.row_groups[i]]);
  });

  test('flipped bytes give row groups or a GleanerError', async () => {
    const first = PYARROW.length - PYARROW.readUInt32LE(PYARROW.length - 8) - 8;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: first, max: PYARROW.length - 1 }),
        fc.nat(255),
        async (at, value) => {
          const bytes = Buffer.from(PYARROW);
          bytes[at] = value;
          const flipped = memorySource(bytes);
          const read = async () => {
            const footer = await parquetFooter(flipped);
            for (let i = 0; i < Math.min(3, footer.rowGroups); i++) await footer.rowGroup(flipped, i);
          };
          await read().catch((error: unknown) => expect(error).toMatchObject({ code: 'DAMAGED' }));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a flipped byte that makes a list of numbers of what should be pairs', async () => {
    const bytes = Buffer.from(PYARROW);
    bytes[2159] = 211;
    await expect(parquetInfo(memorySource(bytes))).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  test('flipped bytes give rows or a GleanerError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(PYARROW.length - 1), fc.nat(255), async (at, value) => {
        const bytes = Buffer.from(PYARROW);
        bytes[at] = value;
        const columns = [{ name: 'URL', type: 'string', nullable: true }] as const;
        await collect(readParquetRows(memorySource(bytes), columns)).catch((error: unknown) =>
          expect(error).toMatchObject({ name: 'GleanerError' }),
        );
      }),
      { numRuns: 200 },
    );
  });
});
