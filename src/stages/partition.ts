import {
  averageBytes,
  type ColumnValues,
  countValues,
  PlainBuilder,
  type PlainStrings,
  viewOf,
} from '../formats/index.ts';

/** Place of a row that goes nowhere. */
const NOWHERE = 0xffff_ffff;

/**
 * Where rows go: place p is row p mod `groupRows` of group ⌊p / groupRows⌋. Rows are dealt out to their groups in the
 * order in which they come, and put in order within the group: tables are walked from their first row to their last
 * and groups are small, so that memory is never read at random, which would cost more than all the rest.
 */
export class Partition {
  readonly groupRows: number;
  readonly #places: Uint32Array;
  /** For each place the number of its row among those dealt out to its group. */
  readonly #slots: Uint32Array;

  /**
   * @param rows how many rows there are
   * @param order numbers of the rows that go somewhere, in the order of their places
   */
  constructor(rows: number, order: Uint32Array, groupRows: number) {
    this.groupRows = groupRows;
    this.#places = new Uint32Array(rows).fill(NOWHERE);
    for (let place = 0; place < order.length; place++) this.#places[order[place] ?? 0] = place;
    this.#slots = new Uint32Array(order.length);
    const counts = new Uint32Array(Math.ceil(order.length / groupRows));
    for (const place of this.#places) {
      if (place === NOWHERE) continue;
      const group = Math.floor(place / groupRows);
      const slot = counts[group] ?? 0;
      this.#slots[place] = slot;
      counts[group] = slot + 1;
    }
  }

  /** Deals out a column of strings, given table by table. @returns the strings of each group */
  deal(tables: readonly ColumnValues[]): PlainStrings[] {
    const groups = Math.ceil(this.#slots.length / this.groupRows);
    const average = Math.max(0, ...tables.map(averageBytes));
    const builders = Array.from(
      { length: groups },
      () => new PlainBuilder(this.groupRows, 1.02 * average * this.groupRows),
    );
    let first = 0;
    for (const table of tables) {
      const strings = table.kind === 'dictionary' ? table.dictionary : table;
      if (strings.kind !== 'plain') throw new Error('a column of strings was expected');
      const indices = table.kind === 'dictionary' ? table.indices : undefined;
      const view = viewOf(strings);
      const rows = countValues(table);
      for (let row = 0; row < rows; row++) {
        const place = this.#places[first + row] ?? NOWHERE;
        if (place === NOWHERE) continue;
        builders[Math.floor(place / this.groupRows)]?.add(strings, view, indices ? (indices[row] ?? 0) : row);
      }
      first += rows;
    }
    return builders.map((builder) => builder.values());
  }

  /** The strings of a group in the order of their places. @param into is cleared, and holds them */
  arrange(group: number, dealt: PlainStrings, into: PlainBuilder): PlainStrings {
    into.clear();
    const view = viewOf(dealt);
    const slots = this.#slots.subarray(group * this.groupRows, (group + 1) * this.groupRows);
    for (let i = 0; i < slots.length; i++) into.add(dealt, view, slots[i] ?? 0);
    return into.values();
  }
}
