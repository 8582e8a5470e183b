import { freeBytes } from './free-bytes.ts';

/**
 * The values of one column of a row group as the file lays them down, not as JavaScript strings: rows can be compared,
 * picked and written again without decoding what nobody looks at.
 */
export type ColumnValues = PlainStrings | DictionaryStrings | FixedValues | NullValues;

/** Strings one after the other, each as Parquet's PLAIN has it: 4 bytes of length, little-endian, then UTF-8. */
export interface PlainStrings {
  readonly kind: 'plain';
  readonly bytes: Uint8Array;
  /**
   * Where each string begins, its length included, and one more: where the last one ends. The first need not begin at
   * 0: `bytes` may hold strings of other rows too.
   */
  readonly offsets: Uint32Array;
}

/** Strings by their number in a dictionary. */
export interface DictionaryStrings {
  readonly kind: 'dictionary';
  readonly dictionary: PlainStrings;
  readonly indices: Uint32Array;
}

/** Numbers of 4 or 8 bytes, little-endian, or hashes of 16. */
export interface FixedValues {
  readonly kind: 'fixed';
  readonly width: 4 | 8 | 16;
  readonly bytes: Uint8Array;
}

/** A nullable column without any value. */
export interface NullValues {
  readonly kind: 'null';
  readonly rows: number;
}

/** How many values a column has. */
export function countValues(values: ColumnValues): number {
  switch (values.kind) {
    case 'plain':
      return values.offsets.length - 1;
    case 'dictionary':
      return values.indices.length;
    case 'fixed':
      return values.bytes.length / values.width;
    case 'null':
      return values.rows;
  }
}

/** The strings of a column, and which of them each row is; without `indices`, row i is string i. */
export function stringsOf(values: ColumnValues): {
  readonly strings: PlainStrings;
  readonly indices?: Uint32Array;
} {
  if (values.kind === 'dictionary') return { strings: values.dictionary, indices: values.indices };
  if (values.kind === 'plain') return { strings: values };
  throw new Error(`strings were expected, not ${values.kind} values`);
}

/** The string in a row of a column, without its length; undefined where the column holds no strings. */
export function stringBytes(values: ColumnValues, row: number): Uint8Array | undefined {
  if (values.kind === 'dictionary') return stringBytes(values.dictionary, values.indices[row] ?? 0);
  if (values.kind !== 'plain') return undefined;
  return values.bytes.subarray((values.offsets[row] ?? 0) + 4, values.offsets[row + 1]);
}

/** Rows [from, to) of a column, without copying its values. Of a dictionary only what these rows use is left. */
export function sliceColumn(values: ColumnValues, from: number, to: number): ColumnValues {
  switch (values.kind) {
    case 'plain':
      return { ...values, offsets: values.offsets.subarray(from, to + 1) };
    case 'dictionary':
      return compacted(values.dictionary, values.indices.subarray(from, to));
    case 'fixed':
      return { ...values, bytes: values.bytes.subarray(from * values.width, to * values.width) };
    case 'null':
      return { kind: 'null', rows: to - from };
  }
}

/**
 * Some rows of a column, in memory of their own or a part of it. Nothing of other rows is left, not in a dictionary either.
 * @param picks numbers of rows, ascending
 */
export function pickRows(values: ColumnValues, picks: Uint32Array): ColumnValues {
  const [first = 0, last = -1] = [picks[0], picks.at(-1)];
  if (last - first + 1 === picks.length) return sliceColumn(values, first, last + 1);
  switch (values.kind) {
    case 'plain':
      return pickStrings([values], picks);
    case 'dictionary':
      return compacted(
        values.dictionary,
        picks.map((row) => values.indices[row] ?? 0),
      );
    case 'fixed': {
      const { width, bytes } = values;
      const picked = new Uint8Array(picks.length * width);
      for (let i = 0; i < picks.length; i++) {
        const from = (picks[i] ?? 0) * width;
        for (let b = 0; b < width; b++) picked[i * width + b] = bytes[from + b] ?? 0;
      }
      return { ...values, bytes: picked };
    }
    case 'null':
      return { kind: 'null', rows: picks.length };
  }
}

function compacted(dictionary: PlainStrings, all: Uint32Array): DictionaryStrings {
  const numbers = new Int32Array(dictionary.offsets.length).fill(-1);
  const used: string[] = [];
  const indices = new Uint32Array(all.length);
  for (let i = 0; i < all.length; i++) {
    const index = all[i] ?? 0;
    let number = numbers[index] ?? -1;
    if (number < 0) {
      number = used.length;
      numbers[index] = number;
      used.push(Buffer.from(stringBytes(dictionary, index) ?? []).toString());
    }
    indices[i] = number;
  }
  return { kind: 'dictionary', dictionary: plainStrings(used), indices };
}

/** Gives the memory of a column back: it must not be looked at afterwards. */
export function freeColumn(values: ColumnValues): void {
  switch (values.kind) {
    case 'plain':
      freeBytes(values.bytes);
      freeBytes(values.offsets);
      break;
    case 'dictionary':
      freeColumn(values.dictionary);
      freeBytes(values.indices);
      break;
    case 'fixed':
      freeBytes(values.bytes);
  }
}

/** Strings as PLAIN values. */
export function plainStrings(strings: readonly string[]): PlainStrings {
  let size = 0;
  // Three bytes for a UTF-16 code unit are the most that UTF-8 takes.
  for (const text of strings) size += 4 + 3 * text.length;
  const bytes = Buffer.allocUnsafe(size);
  const offsets = new Uint32Array(strings.length + 1);
  let at = 0;
  for (let i = 0; i < strings.length; i++) {
    const length = bytes.write(strings[i] ?? '', at + 4);
    bytes.writeUInt32LE(length, at);
    at += 4 + length;
    offsets[i + 1] = at;
  }
  return { kind: 'plain', bytes, offsets };
}

/** Numbers as strings of so many decimal digits, with zeros before them. @throws RangeError at one that has more */
export function plainDigits(numbers: BigInt64Array, digits: number): PlainStrings {
  const size = 4 + digits;
  const bytes = Buffer.allocUnsafeSlow(numbers.length * size);
  const offsets = new Uint32Array(numbers.length + 1);
  for (let i = 0; i < numbers.length; i++) {
    let left = Number(numbers[i]);
    const at = bytes.writeUInt32LE(digits, i * size);
    for (let d = at + digits - 1; d >= at; d--) {
      bytes[d] = 0x30 + (left % 10);
      left = Math.floor(left / 10);
    }
    if (left !== 0) throw new RangeError(`${numbers[i]} has more than ${digits} digits`);
    offsets[i + 1] = (i + 1) * size;
  }
  return { kind: 'plain', bytes, offsets };
}

/** The same for values that are bytes already. */
export function plainBytes(values: readonly Uint8Array[]): PlainStrings {
  const size = values.reduce((sum, value) => sum + 4 + value.length, 0);
  const bytes = Buffer.allocUnsafe(size);
  const offsets = new Uint32Array(values.length + 1);
  let at = 0;
  for (const [i, value] of values.entries()) {
    bytes.writeUInt32LE(value.length, at);
    bytes.set(value, at + 4);
    at += 4 + value.length;
    offsets[i + 1] = at;
  }
  return { kind: 'plain', bytes, offsets };
}

/**
 * Copies a string with its length. Byte for byte would cost eight times as much, and a call of `set` as much as copying
 * a hundred bytes this way. What comes after it in `to` stays as it is.
 * @param size 4 or more: the length's own bytes are in it
 */
export function copyString(from: DataView, start: number, size: number, to: DataView, at: number): void {
  if (size < 8) {
    to.setUint32(at, from.getUint32(start));
    to.setUint32(at + size - 4, from.getUint32(start + size - 4));
    return;
  }
  const last = size - 8;
  for (let i = 0; i < last; i += 8) to.setBigUint64(at + i, from.getBigUint64(start + i, true), true);
  to.setBigUint64(at + last, from.getBigUint64(start + last, true), true);
}

/** Tells whether two rows of a column of strings are equal, by their numbers. */
export function stringsEqual(values: ColumnValues): (a: number, b: number) => boolean {
  const { strings, indices } = stringsOf(values);
  const { offsets } = strings;
  const view = viewOf(strings);
  return (a, b) => {
    const [i, j] = indices ? [indices[a] ?? 0, indices[b] ?? 0] : [a, b];
    const [from, other] = [offsets[i] ?? 0, offsets[j] ?? 0];
    const size = (offsets[i + 1] ?? 0) - from;
    if ((offsets[j + 1] ?? 0) - other !== size) return false;
    let k = 0;
    for (; k + 8 <= size; k += 8)
      if (view.getBigUint64(from + k) !== view.getBigUint64(other + k)) return false;
    for (; k < size; k++) if (view.getUint8(from + k) !== view.getUint8(other + k)) return false;
    return true;
  };
}

/** A view of the bytes of a column. */
export function viewOf({ bytes }: { readonly bytes: Uint8Array }): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Picks strings out of columns laid end to end: after the rows of the first come those of the second.
 * @param picks numbers of rows
 */
export function pickStrings(columns: readonly ColumnValues[], picks: Uint32Array): PlainStrings {
  const sources = columns.map((column) => ({
    ...stringsOf(column),
    rows: countValues(column),
    view: viewOf(stringsOf(column).strings),
  }));
  const sourceOf = new Uint32Array(picks.length);
  const starts = new Uint32Array(picks.length);
  const offsets = new Uint32Array(picks.length + 1);
  for (let i = 0; i < picks.length; i++) {
    let row = picks[i] ?? 0;
    let s = 0;
    for (let rows = sources[0]?.rows ?? 0; row >= rows && s < sources.length; rows = sources[s]?.rows ?? 0) {
      row -= rows;
      s++;
    }
    const source = sources[s];
    if (!source) throw new RangeError(`there is no row ${picks[i]}`);
    const at = source.indices ? (source.indices[row] ?? 0) : row;
    const start = source.strings.offsets[at] ?? 0;
    sourceOf[i] = s;
    starts[i] = start;
    offsets[i + 1] = (offsets[i] ?? 0) + (source.strings.offsets[at + 1] ?? 0) - start;
  }
  const bytes = Buffer.allocUnsafe(offsets.at(-1) ?? 0);
  const to = viewOf({ bytes });
  for (let i = 0; i < picks.length; i++) {
    const at = offsets[i] ?? 0;
    const view = sources[sourceOf[i] ?? 0]?.view;
    if (view) copyString(view, starts[i] ?? 0, (offsets[i + 1] ?? 0) - at, to, at);
  }
  return { kind: 'plain', bytes, offsets };
}
