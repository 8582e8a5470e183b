import {
  type FileMetaData,
  parquetMetadata,
  parquetMetadataAsync,
  parquetReadObjects,
  type SchemaElement,
} from 'hyparquet';
import { GleanerError } from '../schema/index.ts';
import type { ByteSource } from '../storage/index.ts';
import { freeBytes } from './free-bytes.ts';
import { pageCompressors } from './parquet-codec.ts';
import { encodeColumn, HASH_BYTES, PHYSICAL } from './parquet-encode.ts';
import { footerOf, indexFooter } from './parquet-footer.ts';
import { readChunk } from './parquet-pages.ts';
import { type ColumnValues, countValues } from './parquet-values.ts';

/**
 * int64 is a bigint in a row, the other numbers are numbers. `float` has 32 bits, `double` 64. `binary` is bytes.
 * `hash128` is 16 bytes in the file, which no codec could pack, and 32 lower-case hexadecimal digits in a row.
 */
export type ColumnType = 'string' | 'int32' | 'int64' | 'float' | 'double' | 'binary' | 'hash128';

/** A column of a table. Columns that are not nullable are written as required, as pyarrow's `nullable=False`. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** @default false */
  readonly nullable?: boolean;
}

interface Values {
  readonly string: string;
  readonly int32: number;
  readonly int64: bigint;
  readonly float: number;
  readonly double: number;
  readonly hash128: string;
  readonly binary: Uint8Array;
}

/** A row of a table whose columns are written `[...] as const satisfies readonly Column[]`. */
export type RowOf<C extends readonly Column[]> = {
  readonly [K in C[number] as K['name']]:
    | Values[K['type']]
    | (K extends { readonly nullable: true } ? null : never)
    // Of columns that are known at run time only, any may be nullable.
    | (Column extends K ? null : never);
};

export interface ParquetInfo {
  readonly rows: number;
  /** Top-level columns in the order of the file. `type` is a `ColumnType` where it is one of them, else 'other'. */
  readonly columns: readonly {
    readonly name: string;
    readonly type: ColumnType | 'other';
    readonly nullable: boolean;
  }[];
  readonly rowGroups: readonly {
    readonly rows: number;
    /** Number of rows in the groups before this one. */
    readonly rowStart: number;
    /** Size as stored, compressed. */
    readonly bytes: number;
  }[];
  readonly kvMetadata: ReadonlyMap<string, string>;
  /** The footer as hyparquet reads it. */
  readonly metadata: FileMetaData;
}

export interface ParquetReadOptions {
  /** What messages call the file. @default 'Parquet file' */
  readonly name?: string;
  /** The footer, where it has been read already. */
  readonly info?: ParquetInfo;
}

/** Reads the footer. @throws GleanerError DAMAGED where it is not that of a Parquet file */
export async function parquetInfo(source: ByteSource, name = 'Parquet file'): Promise<ParquetInfo> {
  try {
    return infoOf(await parquetMetadataAsync(source));
  } catch (cause) {
    throw damaged(name, 'is not a whole Parquet file', cause);
  }
}

function infoOf(metadata: FileMetaData): ParquetInfo {
  let rowStart = 0;
  const rowGroups = metadata.row_groups.map((group) => {
    const start = rowStart;
    rowStart += Number(group.num_rows);
    const bytes = group.columns.reduce((n, c) => n + Number(c.meta_data?.total_compressed_size ?? 0n), 0);
    return { rows: Number(group.num_rows), rowStart: start, bytes };
  });
  return {
    rows: Number(metadata.num_rows),
    columns: topLevelColumns(metadata.schema),
    rowGroups,
    kvMetadata: new Map((metadata.key_value_metadata ?? []).map(({ key, value = '' }) => [key, value])),
    metadata,
  };
}

/** A footer of which what it says of a row group is read when it is asked for. */
export interface ParquetFooter {
  readonly rowGroups: number;
  readonly kvMetadata: ParquetInfo['kvMetadata'];
  /**
   * The file as if it had that row group only, as number 0.
   * @param source the file
   * @throws GleanerError DAMAGED
   */
  rowGroup(source: ByteSource, number: number): Promise<ParquetInfo>;
}

/** Reads the footer without what it says of each row group: see `FooterIndex`. @throws GleanerError DAMAGED */
export async function parquetFooter(source: ByteSource, name = 'Parquet file'): Promise<ParquetFooter> {
  try {
    const index = await indexFooter(source);
    const { kvMetadata } = infoOf(parquetMetadata(footerOf(index)));
    return {
      rowGroups: index.starts.length - 1,
      kvMetadata,
      async rowGroup(from, number) {
        const [start, end] = [index.starts[number], index.starts[number + 1]];
        if (start === undefined || end === undefined) throw damaged(name, `has no row group ${number}`);
        try {
          return infoOf(parquetMetadata(footerOf(index, new Uint8Array(await from.slice(start, end)))));
        } catch (cause) {
          throw damaged(name, `what the footer says of row group ${number} cannot be read`, cause);
        }
      },
    };
  } catch (cause) {
    throw damaged(name, 'is not a whole Parquet file', cause);
  }
}

function topLevelColumns(schema: readonly SchemaElement[]): ParquetInfo['columns'] {
  const columns: { name: string; type: ColumnType | 'other'; nullable: boolean }[] = [];
  // Depth-first list of the schema tree; `open` holds how many children each open group still has.
  const open: number[] = [schema[0]?.num_children ?? 0];
  for (const element of schema.slice(1)) {
    while (open.length > 1 && open.at(-1) === 0) open.pop();
    if (open.length === 1)
      columns.push({
        name: element.name,
        type: columnType(element),
        nullable: element.repetition_type !== 'REQUIRED',
      });
    open.push((open.pop() ?? 1) - 1);
    if (element.num_children) open.push(element.num_children);
  }
  return columns;
}

function columnType(element: SchemaElement): ColumnType | 'other' {
  if (element.num_children || element.repetition_type === 'REPEATED') return 'other';
  const plain = element.converted_type === undefined && element.logical_type === undefined;
  switch (element.type) {
    case 'BYTE_ARRAY': // Some writers leave the UTF8 mark out; hyparquet gives a string either way.
      return plain || element.converted_type === 'UTF8' || element.logical_type?.type === 'STRING'
        ? 'string'
        : 'other';
    case 'INT32':
      return plain || element.converted_type?.includes('INT_') ? 'int32' : 'other';
    case 'INT64':
      return plain || element.converted_type?.includes('INT_') ? 'int64' : 'other';
    case 'FIXED_LEN_BYTE_ARRAY':
      return plain && element.type_length === HASH_BYTES ? 'hash128' : 'other';
    case 'FLOAT':
      return 'float';
    case 'DOUBLE':
      return 'double';
    default:
      return 'other';
  }
}

/**
 * The rows of one row group, with these columns only; each value is checked against its column's type. An int64
 * is taken from an int32 column too, a double from any number.
 * @throws GleanerError DAMAGED where a column is missing or its values are of another type
 */
export async function readParquetRowGroup<const C extends readonly Column[]>(
  source: ByteSource,
  columns: C,
  rowGroup: number,
  options: ParquetReadOptions = {},
): Promise<RowOf<C>[]> {
  const { name = 'Parquet file' } = options;
  const info = options.info ?? (await parquetInfo(source, name));
  const group = rowGroupOf(info, rowGroup, columns, name);
  let rows: Record<string, unknown>[];
  try {
    rows = await parquetReadObjects({
      file: source,
      metadata: info.metadata,
      columns: columns.map((c) => c.name),
      rowStart: group.rowStart,
      rowEnd: group.rowStart + group.rows,
      // Only then: strings that their writer left unmarked are to be strings.
      utf8: !columns.some((c) => c.type === 'binary'),
      compressors: pageCompressors,
    });
  } catch (cause) {
    throw damaged(name, `row group ${rowGroup} cannot be read`, cause);
  }
  if (rows.length !== group.rows) throw damaged(name, `row group ${rowGroup} is not whole`);
  for (const row of rows)
    for (const column of columns) {
      const value = parseValue(row[column.name], column);
      if (value === undefined)
        throw damaged(name, `column '${column.name}' holds a value that is not a ${column.type}`);
      row[column.name] = value;
    }
  return rows as RowOf<C>[];
}

function rowGroupOf(
  info: ParquetInfo,
  rowGroup: number,
  columns: readonly Column[],
  name: string,
): ParquetInfo['rowGroups'][number] {
  const group = info.rowGroups[rowGroup];
  if (!group) throw damaged(name, `has no row group ${rowGroup}`);
  const missing = columns.find((c) => !info.columns.some((have) => have.name === c.name));
  if (missing)
    throw damaged(
      name,
      `has no column '${missing.name}' (it has ${info.columns.map((c) => c.name).join(', ')})`,
    );
  return group;
}

/**
 * The columns of one row group, one after the other, without making strings and rows of them: what is only compared,
 * picked and written again never becomes one. Files of other writers are read too, by the slower way. Whoever has done
 * with a column may free it (`freeColumn`) before the next is made.
 *
 * @param columns none of them nullable
 * @throws GleanerError DAMAGED as `readParquetRowGroup`
 */
export async function* readParquetColumns(
  source: ByteSource,
  columns: readonly Column[],
  rowGroup: number,
  options: ParquetReadOptions = {},
): AsyncGenerator<ColumnValues, void, undefined> {
  const { name = 'Parquet file' } = options;
  const info = options.info ?? (await parquetInfo(source, name));
  const group = rowGroupOf(info, rowGroup, columns, name);
  const chunks = columns.map((column) => plainChunk(info, rowGroup, column));
  const ranges = chunks.flatMap((chunk) => (chunk ? [chunk.start, chunk.end] : []));
  const [from, to] = [Math.min(...ranges), Math.max(...ranges)];
  // One read for all of them: they lie beside each other.
  const bytes = ranges.length > 0 ? new Uint8Array(await source.slice(from, to)) : new Uint8Array();
  for (const [i, column] of columns.entries()) {
    const chunk = chunks[i];
    let values: ColumnValues | undefined;
    try {
      values = chunk && readChunk(bytes.subarray(chunk.start - from, chunk.end - from), chunk.meta);
    } catch (cause) {
      throw damaged(name, `column '${column.name}' of row group ${rowGroup} cannot be read`, cause);
    }
    values ??= encodeColumn(
      await readParquetRowGroup(source, [column], rowGroup, { name, info }),
      column,
    ).values;
    if (countValues(values) !== group.rows) throw damaged(name, `row group ${rowGroup} is not whole`);
    yield values;
  }
  freeBytes(bytes);
}

/** Where a chunk lies that has no nulls and is of the type that is asked for; undefined for any other. */
function plainChunk(info: ParquetInfo, rowGroup: number, { name, type }: Column) {
  const have = info.columns.find((column) => column.name === name);
  const meta = info.metadata.row_groups[rowGroup]?.columns.find(
    (chunk) => chunk.meta_data?.path_in_schema.length === 1 && chunk.meta_data.path_in_schema[0] === name,
  )?.meta_data;
  if (!meta || have?.nullable || have?.type !== type || meta.type !== PHYSICAL[type]) return undefined;
  const start = Number(meta.dictionary_page_offset ?? meta.data_page_offset);
  return { meta, start, end: start + Number(meta.total_compressed_size) };
}

function parseValue(
  value: unknown,
  { type, nullable }: Column,
): string | number | bigint | Uint8Array | null | undefined {
  if (value === null || value === undefined) return nullable ? null : undefined;
  switch (type) {
    case 'binary':
      return value instanceof Uint8Array ? value : undefined;
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'hash128': {
      const text = value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
      return typeof text === 'string' && /^[0-9a-f]{32}$/.test(text) ? text : undefined;
    }
    case 'int64':
      return typeof value === 'bigint'
        ? value
        : Number.isSafeInteger(value)
          ? BigInt(Number(value))
          : undefined;
    case 'int32': {
      const n = typeof value === 'bigint' ? Number(value) : value;
      return typeof n === 'number' && (n | 0) === n ? n : undefined;
    }
    default:
      return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined;
  }
}

/**
 * The rows of a file in their order, row group by row group (one group in memory at a time).
 * `rowGroups` picks groups by their number, in the order given; without it, all.
 * @throws GleanerError DAMAGED as `readParquetRowGroup`
 */
export async function* readParquetRows<const C extends readonly Column[]>(
  source: ByteSource,
  columns: C,
  options: ParquetReadOptions & { readonly rowGroups?: readonly number[] } = {},
): AsyncGenerator<RowOf<C>, void, undefined> {
  const info = options.info ?? (await parquetInfo(source, options.name));
  for (const rowGroup of options.rowGroups ?? info.rowGroups.keys())
    yield* await readParquetRowGroup(source, columns, rowGroup, { ...options, info });
}

function damaged(path: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('DAMAGED', { path, problem }, cause === undefined ? {} : { cause });
}
