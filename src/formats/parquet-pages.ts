import { isUtf8 } from 'node:buffer';
import type { ColumnMetaData, DecodedArray } from 'hyparquet';
import { Encodings, PageTypes } from 'hyparquet/src/constants.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { freeBytes } from './free-bytes.ts';
import { pageCompressors } from './parquet-codec.ts';
import { HASH_BYTES } from './parquet-encode.ts';
import { type ColumnValues, type DictionaryStrings, type PlainStrings, viewOf } from './parquet-values.ts';

interface Page {
  readonly type: string | undefined;
  readonly encoding: string | undefined;
  readonly values: number;
  /** Unpacked. */
  readonly bytes: Uint8Array;
  /** Whether nobody else holds them: they are not a part of the chunk. */
  readonly own: boolean;
}

const PHYSICAL_WIDTH: Readonly<Record<string, 4 | 8 | 16>> = {
  INT32: 4,
  FLOAT: 4,
  INT64: 8,
  DOUBLE: 8,
  FIXED_LEN_BYTE_ARRAY: HASH_BYTES,
};

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
  const bytes = joinPages(data);
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
    const own = !plain && size > 0;
    const bytes = own && unpack ? unpack(packed, size) : packed.subarray(0, plain ? packedSize : 0);
    if (bytes.length !== size) throw new Error('a page of a wrong length');
    const count: unknown = body.field_1;
    if (typeof count !== 'number' || count < 0) throw new Error('a page header without a count');
    const encoding = Encodings[header.field_8 ? body.field_4 : body.field_2];
    pages.push({ type, encoding, values: count, bytes, own });
    if (type !== 'DICTIONARY_PAGE') values += count;
    if (values > rows) throw new Error('more values than rows');
  }
  return pages;
}

function readPlain(pages: readonly Page[], rows: number): PlainStrings {
  const sizes = pages.map((page) => page.bytes.length);
  const bytes = joinPages(pages);
  const view = viewOf({ bytes });
  const offsets = new Uint32Array(rows + 1);
  /** Where a length is that has a byte of 0x80 or more. */
  const large: number[] = [];
  let row = 0;
  let at = 0;
  let end = 0;
  for (const [p, { values }] of pages.entries()) {
    end += sizes[p] ?? 0;
    for (let i = 0; i < values; i++) {
      if (at + 4 > end) throw new Error('strings are cut off');
      const length = view.getUint32(at, true);
      if (length & 0x80808080) large.push(at);
      at += 4 + length;
      if (at > end) throw new Error('a string is longer than its page');
      offsets[++row] = at;
    }
    if (at !== end) throw new Error('bytes after the last string of a page');
  }
  if (row !== rows) throw new Error('fewer strings than rows');
  if (!areUtf8(bytes, view, large)) throw new Error('text that is not UTF-8');
  return { kind: 'plain', bytes, offsets };
}

/**
 * Whether strings are UTF-8. With their lengths they are one text, as long as those have bytes of ASCII only: no
 * character goes on across one. Other lengths are taken out meanwhile.
 */
function areUtf8(bytes: Uint8Array, view: DataView, large: readonly number[]): boolean {
  const lengths = large.map((at) => view.getUint32(at));
  for (const at of large) view.setUint32(at, 0);
  const good = isUtf8(bytes);
  for (const [i, at] of large.entries()) view.setUint32(at, lengths[i] ?? 0);
  return good;
}

/** The bytes of all pages one after the other, in memory of their own. Memory of the pages is given back. */
function joinPages(pages: readonly Page[]): Uint8Array {
  const [first] = pages;
  if (pages.length === 1 && first?.own) return first.bytes;
  const size = pages.reduce((sum, page) => sum + page.bytes.length, 0);
  const joined = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const { bytes, own } of pages) {
    joined.set(bytes, at);
    at += bytes.length;
    if (own) freeBytes(bytes);
  }
  return joined;
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
