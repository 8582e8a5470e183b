/**
 * The values of one column of a row group as the file lays them down, not as JavaScript strings: rows can be compared,
 * picked and written again without decoding what nobody looks at.
 */
export type ColumnValues = PlainStrings | DictionaryStrings | FixedValues | NullValues;

/** Strings one after the other, each as Parquet's PLAIN has it: 4 bytes of length, little-endian, then UTF-8. */
export interface PlainStrings {
  readonly kind: 'plain';
  /** Has `SLACK_BYTES` more than it needs. */
  readonly bytes: Uint8Array;
  /** Where each string begins, its length included, and one more: where the last one ends. */
  readonly offsets: Uint32Array;
}

/** Strings by their number in a dictionary. */
export interface DictionaryStrings {
  readonly kind: 'dictionary';
  readonly dictionary: PlainStrings;
  readonly indices: Uint32Array;
}

/** Numbers of 4 or 8 bytes, little-endian. */
export interface FixedValues {
  readonly kind: 'fixed';
  readonly width: 4 | 8;
  readonly bytes: Uint8Array;
}

/** A nullable column without any value. */
export interface NullValues {
  readonly kind: 'null';
  readonly rows: number;
}

/** Copies go by eight bytes and may read and write that much beyond the end. */
export const SLACK_BYTES = 8;

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

/** Bytes that the strings of a column take on average when written one by one, their lengths included. */
export function averageBytes(values: ColumnValues): number {
  if (values.kind !== 'plain' && values.kind !== 'dictionary') return 0;
  const { offsets } = values.kind === 'plain' ? values : values.dictionary;
  return (offsets.at(-1) ?? 0) / Math.max(1, offsets.length - 1);
}

/** The string in a row of a column, without its length; undefined where the column holds no strings. */
export function stringBytes(values: ColumnValues, row: number): Uint8Array | undefined {
  if (values.kind === 'dictionary') return stringBytes(values.dictionary, values.indices[row] ?? 0);
  if (values.kind !== 'plain') return undefined;
  return values.bytes.subarray((values.offsets[row] ?? 0) + 4, values.offsets[row + 1]);
}

/** Strings as PLAIN values. */
export function plainStrings(strings: readonly string[]): PlainStrings {
  let size = 0;
  // Three bytes for a UTF-16 code unit are the most that UTF-8 takes.
  for (const text of strings) size += 4 + 3 * text.length;
  const bytes = Buffer.allocUnsafe(size + SLACK_BYTES);
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

/** The same for values that are bytes already. */
export function plainBytes(values: readonly Uint8Array[]): PlainStrings {
  const size = values.reduce((sum, value) => sum + 4 + value.length, 0);
  const bytes = Buffer.allocUnsafe(size + SLACK_BYTES);
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

/** Bytes that grow as values are added: the values of a page, or of a group that is being gathered. */
export class PlainBuilder {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  readonly #offsets: Uint32Array;
  #count = 0;

  /**
   * @param rows how many values there will be at most
   * @param bytes how many bytes they are likely to take, lengths included
   */
  constructor(rows: number, bytes = 1 << 16) {
    this.#bytes = new Uint8Array(Math.ceil(bytes) + SLACK_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#offsets = new Uint32Array(rows + 1);
  }

  /** Adds the value in a row of a column of strings. */
  add(from: PlainStrings, fromView: DataView, row: number): void {
    const start = from.offsets[row] ?? 0;
    const end = from.offsets[row + 1] ?? start;
    const length = end - start;
    const to = this.#length;
    if (to + length + SLACK_BYTES > this.#bytes.length) this.#grow(to + length + SLACK_BYTES);
    const view = this.#view;
    // A call of `set` costs as much as copying a hundred bytes this way.
    if (length <= 256)
      for (let i = 0; i < length; i += 8)
        view.setBigUint64(to + i, fromView.getBigUint64(start + i, true), true);
    else this.#bytes.set(from.bytes.subarray(start, end), to);
    this.#length = to + length;
    this.#offsets[++this.#count] = this.#length;
  }

  /** What was added; it is good until the next `add` or `clear`. */
  values(): PlainStrings {
    return {
      kind: 'plain',
      bytes: this.#bytes.subarray(0, this.#length + SLACK_BYTES),
      offsets: this.#offsets.subarray(0, this.#count + 1),
    };
  }

  clear(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #grow(size: number): void {
    const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, size));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** A view of the bytes of a column, as `PlainBuilder.add` wants it. */
export function viewOf({ bytes }: { readonly bytes: Uint8Array }): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
