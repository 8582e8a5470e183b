import { mkdir } from 'node:fs/promises';
import { FieldColumns } from './field-columns.ts';
import {
  type KnnFieldsBatch,
  type KnnFilter,
  type KnnRange,
  RANGE_FIELDS,
  type RangeField,
  TEXT_FIELDS,
  type TextField,
} from './fields.ts';
import { RowSet } from './row-set.ts';

/** Answers that are remembered: so many, and fewer where they are large. */
const CACHED_ANSWERS = 64;
const CACHED_BYTES = 64 << 20;

/** A value of a field, and how many rows have it. */
export interface ValueCount {
  readonly value: string;
  readonly count: number;
}

/** The least and the greatest value of some rows. */
export interface FieldRange {
  readonly min: number;
  readonly max: number;
}

/**
 * The columns that searches filter by, whole in memory: 28 bytes a row, and the texts that occur.
 *
 * What a filter leaves is a set of rows, which every engine takes: no engine has to know of fields.
 */
export class FieldTable {
  readonly #columns: FieldColumns;
  readonly #readOnly: boolean;
  /** Answers by filter, least recently asked for first. */
  readonly #answers = new Map<string, RowSet>();
  #changed = false;
  #rows: number | undefined;

  private constructor(columns: FieldColumns, readOnly: boolean) {
    this.#columns = columns;
    this.#readOnly = readOnly;
  }

  /** Makes a table in the folder `path`, which must not exist. Memory: the table. */
  static async build(path: string, batches: AsyncIterable<KnnFieldsBatch>): Promise<void> {
    await mkdir(path);
    const columns = new FieldColumns(path);
    for await (const batch of batches) put(columns, batch);
    await columns.write();
  }

  /**
   * @param options.readOnly whether what is added and removed stays in memory alone. @default true
   * @throws GleanerError DAMAGED
   */
  static async open(
    path: string,
    { readOnly = true }: { readonly readOnly?: boolean } = {},
  ): Promise<FieldTable> {
    return new FieldTable(await FieldColumns.read(path), readOnly);
  }

  /** How many rows there are. */
  get rows(): number {
    this.#rows ??= this.#columns.present.count;
    return this.#rows;
  }

  /** Ids are below this. */
  get places(): number {
    return this.#columns.places;
  }

  /**
   * The rows that a filter leaves. The set may be another caller's too: it is not to be changed.
   * @throws RangeError for an end of a range that is NaN
   */
  matching(filter: KnnFilter): RowSet {
    const key = keyOf(filter);
    const answer = this.#answers.get(key) ?? this.#match(filter);
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    const most = Math.min(CACHED_ANSWERS, Math.ceil(CACHED_BYTES / (answer.words.byteLength + 1)));
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= most) break;
      this.#answers.delete(oldest);
    }
    return answer;
  }

  /**
   * How many rows have each value of some fields, most first, equal ones by value. Each field is counted among the rows
   * that all other conditions of the filter leave.
   *
   * @param options.limit most values of a field
   */
  counts<F extends TextField>(
    filter: KnnFilter,
    names: readonly F[],
    { limit }: { readonly limit: number },
  ): Readonly<Record<F, readonly ValueCount[]>> {
    const counted = names.map((name) => {
      const { numbers, list } = this.#columns.texts(name);
      const counts = new Uint32Array(list.all.length + 1);
      this.matching({ ...filter, [name]: undefined }).forEach((id) => {
        const number = numbers[id] ?? 0;
        counts[number] = (counts[number] ?? 0) + 1;
      });
      const values = list.all.map((value, i) => ({ value, count: counts[i + 1] ?? 0 }));
      return [
        name,
        values
          .filter(({ count }) => count > 0)
          .sort(mostFirst)
          .slice(0, limit),
      ];
    });
    return Object.fromEntries(counted);
  }

  /** From where to where the values of a field go among the rows that all other conditions leave; null without rows. */
  range(filter: KnnFilter, name: RangeField): FieldRange | null {
    const value = this.#reader(name);
    let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    this.matching({ ...filter, [name]: undefined }).forEach((id) => {
      const at = value(id);
      if (at < min) min = at;
      if (at > max) max = at;
    });
    return min <= max ? { min, max } : null;
  }

  /** Adds rows; one whose id is there already takes its place. */
  add(batch: KnnFieldsBatch): void {
    put(this.#columns, batch);
    this.#change();
  }

  /** Takes rows out; ids that are not there are passed over. @returns how many were there */
  remove(ids: Iterable<number>): number {
    let removed = 0;
    for (const id of ids) if (this.#columns.clear(id)) removed++;
    this.#change();
    return removed;
  }

  /** Writes what was changed, unless the table is open for reading only. */
  async close(): Promise<void> {
    if (this.#changed && !this.#readOnly) await this.#columns.write();
    this.#changed = false;
  }

  #change(): void {
    this.#changed = true;
    this.#rows = undefined;
    this.#answers.clear();
  }

  #match(filter: KnnFilter): RowSet {
    const { places, present } = this.#columns;
    const left = new RowSet(places);
    left.words.set(present.words.subarray(0, left.words.length));
    for (const name of TEXT_FIELDS) {
      const wanted = filter[name];
      if (!wanted) continue;
      const { numbers, list } = this.#columns.texts(name);
      const fits = new Uint8Array(list.all.length + 1);
      for (const text of wanted) fits[list.find(text) ?? 0] = 1;
      fits[0] = 0;
      keep(left, (id) => fits[numbers[id] ?? 0] === 1);
    }
    for (const name of RANGE_FIELDS) {
      const { min, max } = ends(filter[name]);
      if (min === -Infinity && max === Infinity) continue;
      const value = this.#reader(name);
      keep(left, (id) => value(id) >= min && value(id) <= max);
    }
    return left;
  }

  #reader(name: RangeField): (id: number) => number {
    const { width, height } = this.#columns;
    if (name === 'aspect') return (id) => (width[id] ?? 0) / (height[id] ?? 0);
    const column = this.#columns[name];
    return (id) => column[id] ?? 0;
  }
}

function put(columns: FieldColumns, { ids, fields }: KnnFieldsBatch): void {
  if (ids.length !== fields.length) throw new RangeError('ids and fields differ in number');
  ids.forEach((id, i) => {
    const of = fields[i];
    if (of) columns.set(id, of);
  });
}

/** Takes the rows out of a set that do not fit. */
function keep({ words }: RowSet, fits: (id: number) => boolean): void {
  for (let w = 0; w < words.length; w++) {
    let word = words[w] ?? 0;
    for (let rest = word; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      if (!fits(w * 32 + bit)) word &= ~(1 << bit);
    }
    words[w] = word;
  }
}

function ends({ min = -Infinity, max = Infinity }: KnnRange = {}): FieldRange {
  if (Number.isNaN(min) || Number.isNaN(max)) throw new RangeError('the end of a range is not a number');
  return { min, max };
}

/** The same text for filters that mean the same, but for the order of values. */
function keyOf(filter: KnnFilter): string {
  const texts = TEXT_FIELDS.map((name) => filter[name] ?? null);
  const ranges = RANGE_FIELDS.map((name) => {
    const { min, max } = ends(filter[name]);
    return [String(min), String(max)];
  });
  return JSON.stringify([texts, ranges]);
}

function mostFirst(a: ValueCount, b: ValueCount): number {
  return b.count - a.count || (a.value < b.value ? -1 : 1);
}
