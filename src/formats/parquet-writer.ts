import type { ColumnChunk, ColumnMetaData, RowGroup, SchemaElement, Statistics } from 'hyparquet';
import { ByteWriter } from 'hyparquet-writer';
import { writePageHeader } from 'hyparquet-writer/src/datapage.js';
import { writeRleBitPackedHybrid } from 'hyparquet-writer/src/encoding.js';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import type { ByteSink } from '../storage/index.ts';
import { freeBytes } from './free-bytes.ts';
import type { Column, RowOf } from './parquet.ts';
import { compressPage, type ParquetCodec } from './parquet-codec.ts';
import { type EncodedColumn, encodeColumn, HASH_BYTES, PHYSICAL } from './parquet-encode.ts';
import {
  type ColumnValues,
  countValues,
  type DictionaryStrings,
  type PlainStrings,
  stringBytes,
} from './parquet-values.ts';

export interface ParquetWriterOptions {
  /** Key-value metadata of the file, in this order. */
  readonly kvMetadata?: Readonly<Record<string, string>>;
  /** @default 'ZSTD', but for chunks that it would hardly make smaller */
  readonly codec?: ParquetCodec;
}

export interface ParquetWriter<C extends readonly Column[]> {
  /** Writes the rows as one row group, in their order. No rows, no row group. Holds one row group in memory. */
  writeRowGroup(rows: readonly RowOf<C>[]): Promise<void>;
  /** Writes columns, one for each of the table's in its order, as one row group. No rows, no row group. */
  writeColumns(columns: readonly (ColumnValues | EncodedColumn)[]): Promise<void>;
  /** Rows written so far. */
  readonly rows: number;
  /**
   * Writes the footer. The sink stays open: it is its owner's.
   * @param kvMetadata key-value metadata that is known only now, after what the options have
   */
  finish(kvMetadata?: Readonly<Record<string, string>>): Promise<void>;
}

/** A page of values is cut at about this many bytes: readers hold a page whole. As parquet-mr and pyarrow do. */
const PAGE_BYTES = 1 << 20;
/** A dictionary and indices into it that take less are not packed: it costs some 40 µs, and indices are dense already. */
const SMALL_BYTES = 8 << 10;
/** 'PAR1', little-endian: the first and the last bytes of a file. */
const MAGIC = 0x31524150;

/**
 * Writes a Parquet file (format 2, dictionaries where they pay) into `sink`. The same rows in the same groups
 * give the same bytes. Column chunks of numbers, and of strings that stand in order, say their least and greatest value.
 */
export function createParquetWriter<const C extends readonly Column[]>(
  sink: ByteSink,
  columns: C,
  options: ParquetWriterOptions = {},
): ParquetWriter<C> {
  const out = new ByteWriter(1 << 20);
  const groups: RowGroup[] = [];
  const { codec = 'ZSTD' } = options;
  out.appendUint32(MAGIC);

  // `offset` goes on counting from the start of the file; only the buffer begins anew.
  async function drain(): Promise<void> {
    await sink.write(out.getBytes());
    out.index = 0;
  }

  let written = 0;
  async function writeGroup(chunks: readonly Chunk[]): Promise<void> {
    const rows = chunks[0]?.rows ?? 0;
    if (rows === 0) return;
    const start = out.offset;
    const written_ = columns.map((column, i) => {
      const chunk = chunks[i];
      if (chunk?.rows !== rows)
        throw new Error(`column '${column.name}' has ${chunk?.rows} rows, not ${rows}`);
      // Who asks for another codec than ours asks for it in every chunk.
      const packed = codec !== 'ZSTD' || packable(column, chunk);
      return writeChunk(out, column, chunk, packed ? codec : 'UNCOMPRESSED');
    });
    const total = written_.reduce((sum, c) => sum + (c.meta_data?.total_uncompressed_size ?? 0n), 0n);
    groups.push({
      columns: written_,
      total_byte_size: total,
      num_rows: BigInt(rows),
      total_compressed_size: BigInt(out.offset - start),
    });
    written += rows;
    await drain();
  }

  return {
    get rows() {
      return written;
    },
    async writeRowGroup(rows) {
      await writeGroup(columns.map((column) => ({ ...encodeColumn(rows, column), rows: rows.length })));
    },
    async writeColumns(values) {
      await writeGroup(
        values.map((of) => {
          const column = 'kind' in of ? { values: of } : of;
          return { ...column, rows: column.levels?.length ?? countValues(column.values) };
        }),
      );
    },
    async finish(late = {}) {
      const kv = Object.entries({ ...options.kvMetadata, ...late }).map(([key, value]) => ({ key, value }));
      writeMetadata(out, {
        version: 2,
        created_by: 'gleaner',
        schema: [{ name: 'schema', num_children: columns.length }, ...columns.map(schemaElement)],
        num_rows: BigInt(written),
        row_groups: groups,
        metadata_length: 0,
        ...(kv.length > 0 && { key_value_metadata: kv }),
      });
      out.appendUint32(MAGIC);
      await drain();
      freeBytes(new Uint8Array(out.buffer));
    },
  };
}

function schemaElement({ name, type, nullable = false }: Column): SchemaElement {
  return {
    name,
    type: PHYSICAL[type],
    repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
    ...(type === 'hash128' && { type_length: HASH_BYTES }),
    ...(type === 'string' && { converted_type: 'UTF8', logical_type: { type: 'STRING' } }),
  };
}

interface Chunk {
  /** Those that are there: nulls have none. */
  readonly values: ColumnValues;
  /** For each row 1 where there is a value, 0 where there is none; without it every row has one. */
  readonly levels?: Uint8Array;
  readonly statistics?: Statistics;
  readonly rows: number;
}

/** Whether packing a chunk makes it smaller by what is worth the packing, and the unpacking. */
function packable({ type }: Column, { values, rows }: Chunk): boolean {
  if (type === 'hash128') return false;
  if (values.kind !== 'dictionary') return true;
  const { offsets } = values.dictionary;
  const strings = (offsets.at(-1) ?? 0) - (offsets[0] ?? 0);
  return strings + (indexBits(values) * rows) / 8 > SMALL_BYTES;
}

/** Bits of an index into a dictionary. */
function indexBits({ dictionary }: DictionaryStrings): number {
  return 32 - Math.clz32(Math.max(0, dictionary.offsets.length - 2));
}

function writeChunk(out: ByteWriter, column: Column, chunk: Chunk, codec: ParquetCodec): ColumnChunk {
  const { values, rows } = chunk;
  const start = out.offset;
  const written = { unpacked: 0 };
  const nulls = values.kind === 'null' ? rows : chunk.levels ? rows - countValues(values) : 0;
  const encoding = values.kind === 'dictionary' ? 'RLE_DICTIONARY' : 'PLAIN';
  let dictionaryOffset: bigint | undefined;
  if (values.kind === 'dictionary') {
    dictionaryOffset = BigInt(start);
    const { bytes, offsets } = values.dictionary;
    written.unpacked += writePage(
      out,
      codec,
      bytes.subarray(offsets[0], offsets.at(-1)),
      (uncompressed, compressed) => ({
        type: 'DICTIONARY_PAGE',
        uncompressed_page_size: uncompressed,
        compressed_page_size: compressed,
        dictionary_page_header: { num_values: offsets.length - 1, encoding: 'PLAIN' },
      }),
    );
  }
  const dataOffset = BigInt(out.offset);
  const levels = column.nullable ? packLevels(chunk.levels, nulls, rows) : undefined;
  for (const { bytes, count } of levels ? [wholePage(values, rows)] : pagesOf(values))
    written.unpacked += writePage(
      out,
      codec,
      bytes,
      (uncompressed, compressed) => ({
        type: 'DATA_PAGE_V2',
        uncompressed_page_size: uncompressed,
        compressed_page_size: compressed,
        data_page_header_v2: {
          num_values: count,
          num_nulls: nulls,
          num_rows: count,
          encoding,
          definition_levels_byte_length: levels?.length ?? 0,
          repetition_levels_byte_length: 0,
          is_compressed: codec !== 'UNCOMPRESSED',
        },
      }),
      levels,
    );
  const meta: ColumnMetaData = {
    type: PHYSICAL[column.type],
    encodings: values.kind === 'dictionary' ? ['PLAIN', encoding] : [encoding],
    path_in_schema: [column.name],
    codec,
    num_values: BigInt(rows),
    total_uncompressed_size: BigInt(written.unpacked),
    total_compressed_size: BigInt(out.offset - start),
    data_page_offset: dataOffset,
    ...(dictionaryOffset !== undefined && { dictionary_page_offset: dictionaryOffset }),
    statistics: { ...(chunk.statistics ?? bounds(values)), null_count: BigInt(nulls) },
  };
  return { meta_data: meta, file_offset: BigInt(start) };
}

type PageHeader = Parameters<typeof writePageHeader>[1];

/** @returns the size of the page with its header, before it is compressed */
function writePage(
  out: ByteWriter,
  codec: ParquetCodec,
  values: Uint8Array,
  header: (uncompressed: number, compressed: number) => PageHeader,
  levels: Uint8Array = new Uint8Array(),
): number {
  const packed = compressPage(values, codec);
  const start = out.offset;
  writePageHeader(out, header(levels.length + values.length, levels.length + packed.length));
  const headerBytes = out.offset - start;
  out.appendBytes(levels);
  out.appendBytes(packed);
  if (packed !== values) freeBytes(packed);
  return headerBytes + levels.length + values.length;
}

interface PageValues {
  readonly bytes: Uint8Array;
  readonly count: number;
}

function* pagesOf(values: ColumnValues): Generator<PageValues> {
  if (values.kind !== 'plain' || (values.offsets.at(-1) ?? 0) - (values.offsets[0] ?? 0) <= PAGE_BYTES) {
    yield wholePage(values, countValues(values));
    return;
  }
  const { bytes, offsets } = values;
  const rows = offsets.length - 1;
  for (let from = 0; from < rows; ) {
    const start = offsets[from] ?? 0;
    let to = from + 1;
    while (to < rows && (offsets[to + 1] ?? 0) - start <= PAGE_BYTES) to++;
    yield { bytes: bytes.subarray(start, offsets[to]), count: to - from };
    from = to;
  }
}

function wholePage(values: ColumnValues, rows: number): PageValues {
  switch (values.kind) {
    case 'plain':
      return { bytes: values.bytes.subarray(values.offsets[0], values.offsets.at(-1)), count: rows };
    case 'fixed':
      return { bytes: values.bytes, count: rows };
    case 'null':
      return { bytes: new Uint8Array(), count: rows };
    case 'dictionary': {
      const width = indexBits(values);
      const page = new ByteWriter(values.indices.length * 2);
      page.appendUint8(width);
      writeRleBitPackedHybrid(page, values.indices, width);
      return { bytes: page.getBytes(), count: rows };
    }
  }
}

/** Definition levels of a nullable column: Parquet's hybrid of runs and packed bits. */
function packLevels(levels: Uint8Array | undefined, nulls: number, rows: number): Uint8Array {
  const page = new ByteWriter(64);
  writeRleBitPackedHybrid(page, levels ?? new Uint8Array(rows).fill(nulls > 0 ? 0 : 1), 1);
  return page.getBytes();
}

/**
 * Bounds of strings that stand in order, which are the first and the last. Those of strings in no order would cost a
 * comparison each and rule nothing out.
 */
function bounds(values: ColumnValues): Statistics {
  if (values.kind !== 'plain' || values.offsets.length < 2 || !ascends(values)) return {};
  const text = (row: number) => Buffer.from(stringBytes(values, row) ?? []).toString();
  return {
    min_value: text(0),
    max_value: text(values.offsets.length - 2),
  };
}

function ascends(values: PlainStrings): boolean {
  const { bytes, offsets } = values;
  for (let row = 2; row < offsets.length; row++) {
    const [before, from, to] = [offsets[row - 2] ?? 0, offsets[row - 1] ?? 0, offsets[row] ?? 0];
    const length = Math.min(from - before, to - from);
    let i = 4;
    while (i < length && bytes[before + i] === bytes[from + i]) i++;
    if (i < length ? (bytes[before + i] ?? 0) > (bytes[from + i] ?? 0) : from - before > to - from)
      return false;
  }
  return true;
}
