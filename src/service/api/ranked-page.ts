import { setImmediate } from 'node:timers/promises';
import type { KnnIndex, RowSet } from '../../knn/index.ts';
import { SeenVectors } from '../dedup.ts';
import type { List, Listed } from './lists.ts';

/** Rows of a list that are looked through first; then twice as many, and so on. */
const FIRST_ROWS = 128;
/** Most rows of a list that are looked through: for near-duplicates each is compared with all before it. */
const MAX_LOOKED = 32_768;
const MAX_COMPARED = 4096;
/** Rows whose vectors are fetched at once, and compared before others get a turn. */
const COMPARED_AT_ONCE = 64;

export interface PageOptions {
  readonly list: List;
  /** The rows that the filter leaves. */
  readonly among: RowSet;
  /** Those of them that may be shown. */
  readonly shown: RowSet;
  /** Rows that are part of the query. */
  readonly leftOut: ReadonlySet<number>;
  /** Where vectors are that tell near-duplicates; none where these stay. */
  readonly distinctBy?: KnnIndex;
  readonly offset: number;
  readonly limit: number;
}

export interface RankedPage {
  readonly rows: readonly Listed[];
  /** Rows on the way to here that may not be shown. */
  readonly hidden: number;
  /** Rows on the way to here that are like one before them. */
  readonly duplicates: number;
  /** Whether there are more. */
  readonly more: boolean;
}

/**
 * A piece of a list, counted from its beginning. An index may find other rows among its first 256 than among its first
 * 128, so what was looked through stays in front, and what a longer look finds comes behind: a page is the same
 * whichever were asked for before, and no two have a row in common.
 */
export async function rankedPage({ list, among, shown, ...options }: PageOptions): Promise<RankedPage> {
  const { offset, limit, distinctBy } = options;
  const end = offset + limit;
  const walk = new Walk(shown, options);
  const most = distinctBy ? MAX_COMPARED : MAX_LOOKED;
  let from = among;
  for (let k = FIRST_ROWS; ; k *= 2) {
    const { rows, whole } = await list(k, from);
    const before = walk.hidden;
    await walk.on(rows);
    if (walk.kept.length > end || whole || k >= most) break;
    // Where most may not be shown, they are counted no further: what may be is looked for alone.
    if (walk.hidden - before > rows.length / 2) from = shown;
  }
  const { kept, left } = walk;
  return { rows: kept.slice(offset, end), ...left, more: kept.length > end };
}

/** Goes down a list, and keeps what is shown. */
class Walk {
  readonly kept: Listed[] = [];
  readonly #shown: RowSet;
  readonly #end: number;
  readonly #distinctBy: KnnIndex | undefined;
  readonly #met: Set<number>;
  readonly #seen = new SeenVectors();
  #duplicates = 0;
  /** What was left out up to the last row of the page. */
  #toHere: { readonly hidden: number; readonly duplicates: number } | undefined;
  hidden = 0;

  constructor(
    shown: RowSet,
    { leftOut, distinctBy, offset, limit }: Omit<PageOptions, 'list' | 'among' | 'shown'>,
  ) {
    this.#shown = shown;
    this.#met = new Set(leftOut);
    this.#distinctBy = distinctBy;
    this.#end = offset + limit;
  }

  /** What was left out: on the way to the page's end, or in all where nothing is behind it. */
  get left(): { readonly hidden: number; readonly duplicates: number } {
    const all = { hidden: this.hidden, duplicates: this.#duplicates };
    return this.kept.length > this.#end ? (this.#toHere ?? all) : all;
  }

  /** Goes over rows that it has not met, until one behind the page's end is kept. */
  async on(rows: readonly Listed[]): Promise<void> {
    const unmet = rows.filter(({ id }) => !this.#met.has(id));
    for (let first = 0; first < unmet.length; first += COMPARED_AT_ONCE) {
      const some = unmet.slice(first, first + COMPARED_AT_ONCE);
      if (first > 0 && this.#distinctBy) await setImmediate();
      const vectors = await this.#distinctBy?.fetch(some.map(({ id }) => id));
      for (const row of some) {
        if (this.kept.length > this.#end) return;
        this.#met.add(row.id);
        const vector = vectors?.get(row.id);
        if (!this.#shown.has(row.id)) this.hidden++;
        else if (vector && this.#seen.isLike(vector)) this.#duplicates++;
        else if (this.kept.push(row) === this.#end)
          this.#toHere = { hidden: this.hidden, duplicates: this.#duplicates };
      }
    }
  }
}
