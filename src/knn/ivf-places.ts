import { NO_ID } from './ivf-files.ts';
import type { LoadedSegment } from './ivf-load.ts';

/** Ids may be so many times as many as rows to have a table; those farther apart are in a map. */
const MOST_PLACES_A_ROW = 8;

/** Where each id of an index is: four bytes for each, where ids are as dense as SAMPLE_IDs are. */
export class Places {
  /** Place + 1 by id; 0 where there is none. */
  readonly #table: Uint32Array;
  readonly #others = new Map<number, number>();

  constructor(segments: readonly LoadedSegment[]) {
    let [rows, last] = [0, -1];
    for (const { ids } of segments) {
      rows += ids.length;
      for (const id of ids) if (id !== NO_ID && id > last) last = id;
    }
    this.#table = new Uint32Array(last < MOST_PLACES_A_ROW * rows ? last + 1 : 0);
    for (const { ids, first } of segments)
      for (let at = 0; at < ids.length; at++) {
        const id = ids[at] ?? NO_ID;
        if (id === NO_ID) continue;
        if (id < this.#table.length) this.#table[id] = first + at + 1;
        else this.#others.set(id, first + at);
      }
  }

  get(id: number): number | undefined {
    const place = this.#table[id] ?? 0;
    return place > 0 ? place - 1 : this.#others.get(id);
  }

  delete(id: number): void {
    if (id < this.#table.length) this.#table[id] = 0;
    this.#others.delete(id);
  }
}
