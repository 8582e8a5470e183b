import type { SchemaElement, Statistics } from 'hyparquet';
import type { Column, ColumnType } from './parquet.ts';
import { type ColumnValues, type FixedValues, plainBytes, plainStrings } from './parquet-values.ts';

/** How Parquet stores each type. */
export const PHYSICAL = {
  string: 'BYTE_ARRAY',
  int32: 'INT32',
  int64: 'INT64',
  float: 'FLOAT',
  double: 'DOUBLE',
  hash128: 'FIXED_LEN_BYTE_ARRAY',
  binary: 'BYTE_ARRAY',
} as const satisfies Record<ColumnType, SchemaElement['type']>;

/** Length of a `hash128`. */
export const HASH_BYTES = 16;

/** A dictionary is given up when more than half of at least this many values have been new ones. */
const DICTIONARY_TRIAL = 256;
/** Indices of a dictionary of this size still fit the packer's 25 bits, with room to spare. */
const MAX_DICTIONARY = 1 << 20;

/** A column of rows as a file holds it. */
export interface EncodedColumn {
  /** Those that are there. */
  readonly values: ColumnValues;
  /** Only of a nullable column: for each row 1 where there is a value, else 0. */
  readonly levels?: Uint8Array;
  readonly statistics?: Statistics;
}

/** One column of rows. */
export function encodeColumn(rows: readonly object[], column: Column): EncodedColumn {
  const cells = rows.map((row) => (row as Readonly<Record<string, unknown>>)[column.name]);
  return encodeCells(cells, column);
}

/** The values of one column, which are what its type says, row after row. */
export function encodeCells(all: readonly unknown[], column: Column): EncodedColumn {
  if (!column.nullable) return encodeValues(all, column.type);
  const levels = Uint8Array.from(all, (value) => (value === null ? 0 : 1));
  const present = all.filter((value) => value !== null);
  if (present.length === 0) return { values: { kind: 'null', rows: all.length } };
  return { ...encodeValues(present, column.type), levels };
}

function encodeValues(values: readonly unknown[], type: ColumnType): EncodedColumn {
  // What a row holds is what its column's type says: RowOf sees to that.
  if (type === 'string') return { values: encodeStrings(values as readonly string[]) };
  if (type === 'hash128') return { values: encodeHashes(values as readonly string[]) };
  // Without bounds, which nobody asks of bytes.
  if (type === 'binary') return { values: plainBytes(values as readonly Uint8Array[]), statistics: {} };
  return encodeNumbers(values as readonly number[] | readonly bigint[], type);
}

/** Strings, with a dictionary where it pays. */
function encodeStrings(strings: readonly string[]): ColumnValues {
  const numbers = new Map<string, number>();
  const indices = new Uint32Array(strings.length);
  for (let i = 0; i < strings.length; i++) {
    const text = strings[i] ?? '';
    let index = numbers.get(text);
    if (index === undefined) {
      index = numbers.size;
      numbers.set(text, index);
      if ((i >= DICTIONARY_TRIAL && numbers.size * 2 > i) || index >= MAX_DICTIONARY)
        return plainStrings(strings);
    }
    indices[i] = index;
  }
  if (numbers.size * 2 > strings.length) return plainStrings(strings);
  return { kind: 'dictionary', dictionary: plainStrings([...numbers.keys()]), indices };
}

/** @throws RangeError at one that is not of 32 lower-case hexadecimal digits */
function encodeHashes(hashes: readonly string[]): ColumnValues {
  const bytes = Buffer.allocUnsafe(hashes.length * HASH_BYTES);
  for (const [i, hash] of hashes.entries())
    if (!/^[0-9a-f]{32}$/.test(hash) || bytes.write(hash, i * HASH_BYTES, 'hex') !== HASH_BYTES)
      throw new RangeError(`${JSON.stringify(hash)} is no hash of 128 bits`);
  return { kind: 'fixed', width: HASH_BYTES, bytes };
}

function encodeNumbers(
  values: readonly number[] | readonly bigint[],
  type: Exclude<ColumnType, 'string' | 'binary' | 'hash128'>,
): EncodedColumn {
  const width = type === 'int32' || type === 'float' ? 4 : 8;
  const bytes = new Uint8Array(values.length * width);
  const view = new DataView(bytes.buffer);
  let [min, max]: (number | bigint | undefined)[] = [];
  for (const [i, value] of values.entries()) {
    if (type === 'int64') view.setBigInt64(i * width, int64(value), true);
    else if (type === 'int32') view.setInt32(i * width, Number(value), true);
    else if (type === 'float') view.setFloat32(i * width, Number(value), true);
    else view.setFloat64(i * width, Number(value), true);
    // NaN takes no part in bounds; the specification leaves it out.
    if (min === undefined || value < min) min = Number.isNaN(value) ? min : value;
    if (max === undefined || value > max) max = Number.isNaN(value) ? max : value;
  }
  if (type === 'float') [min, max] = [min, max].map((bound) => bound && Math.fround(Number(bound)));
  return { values: { kind: 'fixed', width, bytes }, statistics: statistics(min, max) };
}

function statistics(min: number | bigint | undefined, max: number | bigint | undefined): Statistics {
  if (min === undefined || max === undefined) return {};
  // Both zeros are equal: a bound has to hold for either (the specification's rule).
  return { min_value: min === 0 ? -0 : min, max_value: max === 0 ? 0 : max };
}

/** Least and greatest of numbers as a file holds them; none of hashes. */
export function boundsOf({ bytes }: FixedValues, type: ColumnType): Statistics {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  switch (type) {
    case 'int64':
      return extremes(new BigInt64Array(buffer, byteOffset, byteLength / 8));
    case 'int32':
      return extremes(new Int32Array(buffer, byteOffset, byteLength / 4));
    case 'float':
      return extremes(new Float32Array(buffer, byteOffset, byteLength / 4));
    case 'double':
      return extremes(new Float64Array(buffer, byteOffset, byteLength / 8));
    default:
      return {};
  }
}

function extremes<T extends number | bigint>(values: ArrayLike<T>): Statistics {
  let [min, max]: (T | undefined)[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // NaN takes no part in bounds; the specification leaves it out.
    if (value === undefined || Number.isNaN(value)) continue;
    if (min === undefined || value < min) min = value;
    if (max === undefined || value > max) max = value;
  }
  return statistics(min, max);
}

function int64(value: number | bigint): bigint {
  if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value)
    throw new RangeError(`${value} is no 64-bit integer`);
  return value;
}
