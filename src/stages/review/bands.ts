import type { Histogram } from '../report/statistics.ts';

/** Pairs with from ≤ similarity < to; the last band holds its upper edge, and the first what is below it. */
export interface Band {
  readonly from: number;
  readonly to: number;
  /** Pairs of the release by stats.json. */
  readonly pairs: number;
}

/** stats.json counts cosines in bins of this width, so that every band is a whole number of them. */
const BINS_PER_UNIT = 100;
/** Bins a band, narrowest first. 0.02 is the narrowest that is chosen unasked. */
const WIDTHS = [2, 5, 10, 20, 50, 200] as const;
/** More bands than this would ask for too many judgements. */
const MAX_BANDS = 12;
/** Of the pairs, at either end: what lies further out belongs to the last band before it. */
const TAIL = 0.01;

/**
 * Cuts similarities into bands whose edges are whole multiples of their width: thresholds that one would choose. The
 * width is 0.02, or the next of 0.05, 0.1, 0.2 and 0.5 that makes at most twelve; a band at either end goes on until it
 * has 1 % of the pairs.
 *
 * @param similarity of the released pairs
 * @param width of a band, a multiple of 0.01
 * @returns none where there are no pairs
 */
export function cutBands(similarity: Histogram, width?: number): readonly Band[] {
  const { edges, counts } = similarity;
  const first = Math.round((edges[0] ?? 0) * BINS_PER_UNIT);
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return [];
  const cut = (bins: number) => withoutTails(cutAt(counts, first, bins), TAIL * total);
  const widths = width === undefined ? WIDTHS : [Math.max(1, Math.round(width * BINS_PER_UNIT))];
  return (widths.map(cut).find((bands) => bands.length <= MAX_BANDS) ?? cut(widths.at(-1) ?? 2)).map(
    (band) => ({ ...band, from: band.from / BINS_PER_UNIT, to: band.to / BINS_PER_UNIT }),
  );
}

/** Edges in bins. */
function cutAt(counts: readonly number[], first: number, bins: number): Band[] {
  const bands: Band[] = [];
  for (const [i, pairs] of counts.entries()) {
    const from = Math.floor((first + i) / bins) * bins;
    const last = bands.at(-1);
    if (last?.from === from) bands[bands.length - 1] = { ...last, pairs: last.pairs + pairs };
    else bands.push({ from, to: from + bins, pairs });
  }
  return bands;
}

function withoutTails(bands: readonly Band[], least: number): Band[] {
  const merged = (list: readonly Band[], join: (one: Band, other: Band) => Band): Band[] => {
    const [end, next, ...rest] = list;
    return end && next && end.pairs < least ? merged([join(end, next), ...rest], join) : [...list];
  };
  const upward = merged(bands, (low, high) => ({ ...high, from: low.from, pairs: low.pairs + high.pairs }));
  const downward = merged(upward.reverse(), (high, low) => ({
    ...low,
    to: high.to,
    pairs: low.pairs + high.pairs,
  }));
  return downward.reverse();
}

/** The number of the band that a similarity belongs to. */
export function bandOf(bands: readonly Band[], similarity: number): number {
  return Math.max(
    0,
    bands.findLastIndex((band) => band.from <= similarity),
  );
}
