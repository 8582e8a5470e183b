import { setImmediate } from 'node:timers/promises';
import type { KnnIndex, RowSet } from '../../knn/index.ts';
import { SeenVectors } from '../dedup.ts';
import type { List, Listed } from './lists.ts';

/** Rows of a list that are asked for are a multiple of this: pages that follow one another ask for the same. */
const STEP = 128;
/** Most rows of a list that are looked through: for near-duplicates each is compared with all before it. */
const MAX_LOOKED = 20_000;
const MAX_COMPARED = 4000;
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

/** A piece of a list, counted from its beginning. A page is the same whichever pages were asked for before. */
export async function rankedPage(options: PageOptions): Promise<RankedPage> {
  const { list, among, shown, leftOut, distinctBy, offset, limit } = options;
  const end = offset + limit;
  const most = distinctBy ? MAX_COMPARED : MAX_LOOKED;
  let k = upTo(end + 1 + leftOut.size, most);
  let listing = await list(k, among);
  let walked = await walk(listing.rows, options);
  // What may not be shown is counted in what was looked through first; then it is no longer looked at.
  const { hidden } = walked;
  while (walked.kept.length <= end && !listing.whole && k < most) {
    k = upTo(2 * k, most);
    listing = await list(k, shown);
    walked = await walk(listing.rows, options);
  }
  return {
    rows: walked.kept.slice(offset, end),
    hidden,
    duplicates: walked.duplicates,
    more: walked.kept.length > end,
  };
}

function upTo(rows: number, most: number): number {
  return Math.min(Math.ceil(rows / STEP) * STEP, most);
}

async function walk(
  rows: readonly Listed[],
  { shown, leftOut, distinctBy, offset, limit }: PageOptions,
): Promise<{ kept: Listed[]; hidden: number; duplicates: number }> {
  const end = offset + limit;
  const kept: Listed[] = [];
  let [hidden, duplicates] = [0, 0];
  /** What was left out up to the last row of the page. */
  let toHere = { hidden, duplicates };
  const seen = new SeenVectors();
  for (let first = 0; first < rows.length && kept.length <= end; first += COMPARED_AT_ONCE) {
    const some = rows.slice(first, first + COMPARED_AT_ONCE);
    if (first > 0 && distinctBy) await setImmediate();
    const vectors = await distinctBy?.fetch(some.map(({ id }) => id));
    for (const row of some) {
      if (kept.length > end) break;
      if (leftOut.has(row.id)) continue;
      const vector = vectors?.get(row.id);
      if (!shown.has(row.id)) hidden++;
      else if (vector && seen.isLike(vector)) duplicates++;
      else if (kept.push(row) === end) toHere = { hidden, duplicates };
    }
  }
  // Behind the last page is nothing but what was left out.
  return kept.length > end ? { kept, ...toHere } : { kept, hidden, duplicates };
}
