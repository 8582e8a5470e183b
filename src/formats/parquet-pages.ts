import { isUtf8 } from 'node:buffer';
import type { ColumnMetaData, DecodedArray } from 'hyparquet';
import { Encodings, PageTypes } from 'hyparquet/src/constants.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { pageCompressors } from './parquet-codec.ts';
import {
  type ColumnValues,
  type DictionaryStrings,
  type PlainStrings,
  SLACK_BYTES,
} from './parquet-values.ts';

interface Page {
  readonly type: string | undefined;
  readonly encoding: string | undefined;
  readonly values: number;
  /** Unpacked. */
  readonly bytes: Uint8Array;
}

const PHYSICAL_WIDTH: Readonly<Record<string, 4 | 8>> = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8 };

/**
 * The values of a column chunk without nulls, as they lie in it. Only what our own writer and its like write is
 * taken: PLAIN, and strings by a dictionary.
 *
 * @param chunk the bytes of the chunk, from its first page on
 * @returns undefined where the chunk is encoded otherwise
 * @throws Error where it is damaged: lengths that do not meet, text that is not UTF-8
 */
export function readChunk(chunk: Uint8Array, meta: ColumnMetaData): ColumnValues | undefined {
  const rows = Number(meta.num_values);
  const pages = readPages(chunk, meta, rows);
  if (!pages) return undefined;
  const width = PHYSICAL_WIDTH[meta.type];
  const [first] = pages;
  const dictionary = first?.type === 'DICTIONARY_PAGE' ? first : undefined;
  const data = dictionary ? pages.slice(1) : pages;
  if (data.some(({ type }) => type === 'DICTIONARY_PAGE')) throw new Error('two dictionaries');
  if (dictionary) {
    if (width || !data.every(({ encoding }) => encoding?.endsWith('_DICTIONARY'))) return undefined;
    return readIndices(data, readPlain([dictionary], dictionary.values), rows);
  }
  if (!data.every(({ encoding }) => encoding === 'PLAIN')) return undefined;
  if (!width) return readPlain(data, rows);
  const bytes = Buffer.concat(data.map((page) => page.bytes));
  if (bytes.length !== rows * width) throw new Error('pages of a wrong length');
  return { kind: 'fixed', width, bytes };
}

/** Pages of the chunk, unpacked; undefined where one is of a kind that is left to the general reader. */
function readPages(chunk: Uint8Array, meta: ColumnMetaData, rows: number): Page[] | undefined {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  const reader = { view, offset: 0 };
  const pages: Page[] = [];
  for (let values = 0; values < rows; ) {
    const header = deserializeTCompactProtocol(reader);
    const type = PageTypes[header.field_1];
    const [size, packedSize]: unknown[] = [header.field_2, header.field_3];
    const body = header.field_8 ?? header.field_5 ?? header.field_7;
    if (!body || typeof size !== 'number' || typeof packedSize !== 'number' || size < 0 || packedSize < 0)
      throw new Error('a page header without sizes');
    // Levels stand before the values of a page with nulls.
    if (header.field_8 && (body.field_2 || body.field_5 || body.field_6)) return undefined;
    const packed = chunk.subarray(reader.offset, reader.offset + packedSize);
    if (packed.length !== packedSize) throw new Error('a page is cut off');
    reader.offset += packedSize;
    const plain = meta.codec === 'UNCOMPRESSED' || header.field_8?.field_7 === false;
    const unpack = pageCompressors[meta.codec];
    if (!plain && !unpack) return undefined;
    const bytes = plain || !unpack || size === 0 ? packed.slice() : unpack(packed, size);
    if (bytes.length !== size) throw new Error('a page of a wrong length');
    const count: unknown = body.field_1;
    if (typeof count !== 'number' || count < 0) throw new Error('a page header without a count');
    const encoding = Encodings[header.field_8 ? body.field_4 : body.field_2];
    pages.push({ type, encoding, values: count, bytes });
    if (type !== 'DICTIONARY_PAGE') values += count;
    if (values > rows) throw new Error('more values than rows');
  }
  return pages;
}

/** The same bytes and some more of their buffer; undefined where there are none. */
function withSlack(bytes: Uint8Array): Uint8Array | undefined {
  const room = bytes.buffer.byteLength - bytes.byteOffset;
  return room >= bytes.length + SLACK_BYTES
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length + SLACK_BYTES)
    : undefined;
}

function readPlain(pages: readonly Page[], rows: number): PlainStrings {
  const size = pages.reduce((sum, page) => sum + page.bytes.length, 0);
  const [first] = pages;
  const inPlace = pages.length === 1 && first && withSlack(first.bytes);
  const bytes = inPlace || new Uint8Array(size + SLACK_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets = new Uint32Array(rows + 1);
  let begin = 0;
  let row = 0;
  for (const page of pages) {
    if (!inPlace) bytes.set(page.bytes, begin);
    const end = begin + page.bytes.length;
    let at = begin;
    for (let i = 0; i < page.values; i++) {
      if (at + 4 > end) throw new Error('strings are cut off');
      const next = at + 4 + view.getUint32(at, true);
      if (next > end) throw new Error('a string is longer than its page');
      // Without the lengths what is left is one text, which is checked at once.
      view.setUint32(at, 0);
      at = next;
      offsets[++row] = at;
    }
    if (at !== end) throw new Error('bytes after the last string of a page');
    begin = end;
  }
  if (row !== rows) throw new Error('fewer strings than rows');
  if (!isUtf8(bytes.subarray(0, size))) throw new Error('text that is not UTF-8');
  let at = 0;
  for (let i = 0; i < rows; i++) {
    const next = offsets[i + 1] ?? 0;
    view.setUint32(at, next - at - 4, true);
    at = next;
  }
  return { kind: 'plain', bytes, offsets };
}

function readIndices(pages: readonly Page[], dictionary: PlainStrings, rows: number): DictionaryStrings {
  const indices = new Uint32Array(rows);
  let row = 0;
  for (const { bytes, values } of pages) {
    const [width = 0] = bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const output: DecodedArray = indices.subarray(row, row + values);
    if (width > 0) readRleBitPackedHybrid({ view, offset: 1 }, width, output, bytes.length - 1);
    row += values;
  }
  const size = dictionary.offsets.length - 1;
  if (row !== rows || indices.some((index) => index >= size))
    throw new Error('an index outside of the dictionary');
  return { kind: 'dictionary', dictionary, indices };
}
