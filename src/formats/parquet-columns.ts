import type { Column, RowOf } from './parquet.ts';
import { type EncodedColumn, encodeCells, HASH_BYTES } from './parquet-encode.ts';
import { type PlainStrings, pickStrings } from './parquet-values.ts';

/** Repeated values that are known again: of a page all rows come together, of languages and licences there are few. */
const KNOWN_VALUES = 256;

/**
 * Rows as they come, kept as columns of bytes until they are written: what is held is not looked at by the garbage
 * collector, and is laid down as the file will have it.
 */
export class TableBuilder<const C extends readonly Column[]> {
  readonly #columns: readonly ColumnBuilder[];
  readonly #names: readonly string[];
  #rows = 0;

  /**
   * @param columns of the table
   * @param repeated names of columns of strings in which a row often has the value of the row before, or one of few values
   */
  constructor(columns: C, repeated: ReadonlySet<C[number]['name']>) {
    this.#names = columns.map(({ name }) => name);
    this.#columns = columns.map((column) => {
      if (column.type === 'hash128' && !column.nullable) return new HashColumn();
      if (column.type !== 'string' || column.nullable) return new ValueColumn(column);
      return repeated.has(column.name) ? new RepeatedColumn() : new StringColumn();
    });
  }

  get rows(): number {
    return this.#rows;
  }

  /** Bytes held, about. */
  get bytes(): number {
    let sum = 0;
    for (const column of this.#columns) sum += column.bytes;
    return sum;
  }

  add(row: RowOf<C>): void {
    const values: Readonly<Record<string, unknown>> = row;
    for (let c = 0; c < this.#columns.length; c++) this.#columns[c]?.add(values[this.#names[c] ?? '']);
    this.#rows++;
  }

  /**
   * What was added, for `ParquetWriter.writeColumns`; it is good until the next `add` or `clear`.
   * @param picks numbers of the rows to take, in this order. @default all
   */
  values(picks?: Uint32Array): EncodedColumn[] {
    return this.#columns.map((column) => column.values(picks));
  }

  clear(): void {
    for (const column of this.#columns) column.clear();
    this.#rows = 0;
  }
}

interface ColumnBuilder {
  readonly bytes: number;
  /** RowOf has seen to it that a value is of the column's type. */
  add(value: unknown): void;
  values(picks: Uint32Array | undefined): EncodedColumn;
  clear(): void;
}

/** Strings that are all different, or nearly. */
class StringColumn implements ColumnBuilder {
  #bytes = Buffer.allocUnsafeSlow(1 << 12);
  #offsets: Uint32Array = new Uint32Array(1 << 8);
  #count = 0;

  get bytes(): number {
    return this.#offsets[this.#count] ?? 0;
  }

  get count(): number {
    return this.#count;
  }

  add(value: unknown): void {
    const text = String(value);
    const at = this.bytes;
    // Three bytes for a UTF-16 code unit are the most that UTF-8 takes.
    const most = at + 4 + 3 * text.length;
    if (most > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, most));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
    }
    const bytes = this.#bytes;
    const length = bytes.write(text, at + 4);
    bytes[at] = length;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length >>> 16;
    bytes[at + 3] = length >>> 24;
    if (++this.#count === this.#offsets.length) this.#offsets = doubled(this.#offsets);
    this.#offsets[this.#count] = at + 4 + length;
  }

  strings(): PlainStrings {
    const offsets = this.#offsets.subarray(0, this.#count + 1);
    return { kind: 'plain', bytes: this.#bytes.subarray(0, this.bytes), offsets };
  }

  values(picks: Uint32Array | undefined): EncodedColumn {
    const all = this.strings();
    return { values: picks ? pickStrings([all], picks) : all };
  }

  clear(): void {
    this.#count = 0;
  }
}

/** Strings of which many rows have the same. */
class RepeatedColumn implements ColumnBuilder {
  readonly #dictionary = new StringColumn();
  #indices: Uint32Array = new Uint32Array(1 << 8);
  #count = 0;
  #last: string | undefined;
  #lastIndex = 0;
  readonly #known = new Map<string, number>();

  get bytes(): number {
    return this.#dictionary.bytes + 4 * this.#count;
  }

  add(value: unknown): void {
    const text = String(value);
    if (text !== this.#last) {
      this.#last = text;
      this.#lastIndex = this.#known.get(text) ?? this.#learn(text);
    }
    if (this.#count === this.#indices.length) this.#indices = doubled(this.#indices);
    this.#indices[this.#count++] = this.#lastIndex;
  }

  #learn(text: string): number {
    const index = this.#dictionary.count;
    this.#dictionary.add(text);
    if (this.#known.size === KNOWN_VALUES) this.#known.clear();
    this.#known.set(text, index);
    return index;
  }

  values(picks: Uint32Array | undefined): EncodedColumn {
    const all = this.#dictionary.strings();
    const rows = picks?.length ?? this.#count;
    const numbers = new Int32Array(this.#dictionary.count).fill(-1);
    const picked = new Uint32Array(rows);
    const indices = new Uint32Array(rows);
    const used = new Uint32Array(this.#dictionary.count);
    let size = 0;
    for (let i = 0; i < rows; i++) {
      const entry = this.#indices[picks ? (picks[i] ?? 0) : i] ?? 0;
      let number = numbers[entry] ?? -1;
      if (number < 0) {
        number = size;
        numbers[entry] = number;
        used[size++] = entry;
      }
      indices[i] = number;
      picked[i] = entry;
    }
    // A dictionary that most rows have an entry of their own in would say all twice.
    if (2 * size > rows) return { values: pickStrings([all], picked) };
    return {
      values: { kind: 'dictionary', dictionary: pickStrings([all], used.subarray(0, size)), indices },
    };
  }

  clear(): void {
    this.#dictionary.clear();
    this.#known.clear();
    this.#last = undefined;
    this.#count = 0;
  }
}

/** Hashes of 128 bits, as 32 hexadecimal digits. */
class HashColumn implements ColumnBuilder {
  #bytes = Buffer.allocUnsafeSlow(1 << 12);
  #length = 0;

  get bytes(): number {
    return this.#length;
  }

  /** @throws RangeError at one that is none */
  add(value: unknown): void {
    const hash = String(value);
    if (this.#length === this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(2 * this.#bytes.length);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    if (hash.length !== 2 * HASH_BYTES || this.#bytes.write(hash, this.#length, 'hex') !== HASH_BYTES)
      throw new RangeError(`${JSON.stringify(hash)} is no hash of 128 bits`);
    this.#length += HASH_BYTES;
  }

  values(picks: Uint32Array | undefined): EncodedColumn {
    const all = this.#bytes.subarray(0, this.#length);
    if (!picks) return { values: { kind: 'fixed', width: HASH_BYTES, bytes: all } };
    const bytes = Buffer.allocUnsafe(HASH_BYTES * picks.length);
    for (let i = 0; i < picks.length; i++) {
      const from = HASH_BYTES * (picks[i] ?? 0);
      all.copy(bytes, i * HASH_BYTES, from, from + HASH_BYTES);
    }
    return { values: { kind: 'fixed', width: HASH_BYTES, bytes } };
  }

  clear(): void {
    this.#length = 0;
  }
}

/** Numbers, and values that may be missing. */
class ValueColumn implements ColumnBuilder {
  readonly #column: Column;
  #values: unknown[] = [];

  constructor(column: Column) {
    this.#column = column;
  }

  get bytes(): number {
    return 8 * this.#values.length;
  }

  add(value: unknown): void {
    this.#values.push(value);
  }

  values(picks: Uint32Array | undefined): EncodedColumn {
    const values = picks ? Array.from(picks, (row) => this.#values[row]) : this.#values;
    return encodeCells(values, this.#column);
  }

  clear(): void {
    this.#values = [];
  }
}

function doubled(numbers: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * numbers.length);
  larger.set(numbers);
  return larger;
}
