import {
  type ColumnValues,
  type DictionaryStrings,
  PlainBuilder,
  type PlainStrings,
  plainStrings,
  stringBytes,
  viewOf,
} from './parquet-values.ts';

/** Dictionaries that are larger together are not kept: picked rows would repeat little of them. */
const MAX_SHARED_DICTIONARY = 4096;

/**
 * Picks rows out of several tables, in any order, one column at a time. Row `r` of table `t` is picked by the number
 * `starts[t] + r`: the tables laid end to end.
 */
export class Gatherer {
  readonly #sources: readonly (Source | undefined)[];
  readonly #starts: Uint32Array;
  readonly #table: Uint16Array | Uint32Array;
  readonly #shared: SharedDictionary | undefined;
  readonly #builder: PlainBuilder;
  readonly #width: 4 | 8 | undefined;

  /**
   * @param sources the column in each table
   * @param tables how the tables are laid out
   * @param rows how many rows a call of `gather` picks at most
   */
  constructor(sources: readonly ColumnValues[], tables: TableLayout, rows: number) {
    this.#starts = tables.starts;
    this.#table = tables.tableOf;
    this.#shared = shareDictionary(sources);
    this.#builder = new PlainBuilder(this.#shared ? 0 : rows);
    const [first] = sources;
    this.#width = first?.kind === 'fixed' ? first.width : undefined;
    this.#sources = sources.map(openSource);
  }

  /** Whether the column holds numbers, or strings of one small dictionary: then picking costs next to nothing. */
  get small(): boolean {
    return this.#width !== undefined || this.#shared !== undefined;
  }

  /**
   * @param picks numbers of rows
   * @param shorten is given each string of more than `maxBytes` bytes, and what it returns is taken in its place
   * @returns values that are good until the next call
   */
  gather(
    picks: Uint32Array,
    shorten?: { readonly maxBytes: number; readonly by: (text: string) => string },
  ): ColumnValues {
    if (this.#width) return this.#gatherFixed(picks, this.#width);
    if (this.#shared) return this.#gatherIndices(picks, this.#shared);
    const builder = this.#builder;
    builder.clear();
    for (let i = 0; i < picks.length; i++) {
      const pick = picks[i] ?? 0;
      const table = this.#table[pick] ?? 0;
      const source = this.#sources[table];
      if (!source?.strings || !source.view) throw new Error('tables with unlike columns');
      const row = pick - (this.#starts[table] ?? 0);
      const at = source.indices ? (source.indices[row] ?? 0) : row;
      const { strings } = source;
      if (shorten && (strings.offsets[at + 1] ?? 0) - (strings.offsets[at] ?? 0) - 4 > shorten.maxBytes) {
        const text = Buffer.from(stringBytes(strings, at) ?? []).toString();
        const short = plainStrings([shorten.by(text)]);
        builder.add(short, viewOf(short), 0);
      } else builder.add(strings, source.view, at);
    }
    return builder.values();
  }

  #gatherIndices(picks: Uint32Array, { all, maps }: SharedDictionary): DictionaryStrings {
    const numbers = new Int32Array(all.length).fill(-1);
    const used: string[] = [];
    const indices = new Uint32Array(picks.length);
    for (let i = 0; i < picks.length; i++) {
      const pick = picks[i] ?? 0;
      const table = this.#table[pick] ?? 0;
      const row = pick - (this.#starts[table] ?? 0);
      const shared = maps[table]?.[this.#sources[table]?.indices?.[row] ?? 0] ?? 0;
      let number = numbers[shared] ?? -1;
      if (number < 0) {
        number = used.length;
        numbers[shared] = number;
        used.push(all[shared] ?? '');
      }
      indices[i] = number;
    }
    return { kind: 'dictionary', dictionary: plainStrings(used), indices };
  }

  #gatherFixed(picks: Uint32Array, width: 4 | 8): ColumnValues {
    const bytes = new Uint8Array(picks.length * width);
    for (let i = 0; i < picks.length; i++) {
      const pick = picks[i] ?? 0;
      const table = this.#table[pick] ?? 0;
      const from = (pick - (this.#starts[table] ?? 0)) * width;
      const source = this.#sources[table]?.fixed;
      if (!source) throw new Error('tables with unlike columns');
      for (let b = 0; b < width; b++) bytes[i * width + b] = source[from + b] ?? 0;
    }
    return { kind: 'fixed', width, bytes };
  }
}

/** Tables laid end to end. */
export interface TableLayout {
  /** Number of the first row of each table. */
  readonly starts: Uint32Array;
  /** Which table each row is of. */
  readonly tableOf: Uint16Array | Uint32Array;
}

export function layTables(rows: readonly number[]): TableLayout {
  const starts = new Uint32Array(rows.length);
  const total = rows.reduce((sum, n) => sum + n, 0);
  const tableOf = rows.length <= 0xffff ? new Uint16Array(total) : new Uint32Array(total);
  let at = 0;
  for (const [table, n] of rows.entries()) {
    starts[table] = at;
    tableOf.fill(table, at, at + n);
    at += n;
  }
  return { starts, tableOf };
}

interface Source {
  readonly strings?: PlainStrings;
  readonly view?: DataView;
  readonly indices?: Uint32Array;
  readonly fixed?: Uint8Array;
}

function openSource(values: ColumnValues): Source {
  switch (values.kind) {
    case 'plain':
      return { strings: values, view: viewOf(values) };
    case 'dictionary':
      return { strings: values.dictionary, view: viewOf(values.dictionary), indices: values.indices };
    case 'fixed':
      return { fixed: values.bytes };
    case 'null':
      return {};
  }
}

interface SharedDictionary {
  readonly all: readonly string[];
  /** For each table, the number in `all` of each entry of its dictionary. */
  readonly maps: readonly Uint32Array[];
}

/** One dictionary for all tables; undefined where one has none, or it would be large. */
function shareDictionary(sources: readonly ColumnValues[]): SharedDictionary | undefined {
  const numbers = new Map<string, number>();
  const maps: Uint32Array[] = [];
  for (const source of sources) {
    if (source.kind !== 'dictionary') return undefined;
    const size = source.dictionary.offsets.length - 1;
    if (size > MAX_SHARED_DICTIONARY) return undefined;
    const map = new Uint32Array(size);
    for (let i = 0; i < size; i++) {
      const text = Buffer.from(stringBytes(source.dictionary, i) ?? []).toString();
      const number = numbers.get(text) ?? numbers.size;
      numbers.set(text, number);
      map[i] = number;
    }
    if (numbers.size > MAX_SHARED_DICTIONARY) return undefined;
    maps.push(map);
  }
  return sources.length > 0 ? { all: [...numbers.keys()], maps } : undefined;
}
