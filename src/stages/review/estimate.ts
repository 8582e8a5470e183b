import { type Draw, type Estimated, type Interval, shareOfSums, type Term, weightedSum } from './interval.ts';
import type { Cell } from './sample.ts';

/** What was answered to one question about the pairs of a cell. */
export interface CellAnswers extends Cell {
  readonly yes: number;
  readonly no: number;
  readonly unsure: number;
}

/** A share of some pairs of the release, estimated from those of them that were judged. */
export interface Estimate {
  /** In the release. */
  readonly pairs: number;
  /** Of them, in cells of which at least one pair was judged. */
  readonly covered: number;
  /** Pairs that were answered with yes or no, and with yes. */
  readonly judged: number;
  readonly yes: number;
  /** Pairs of which nobody could tell, or on which as many said yes as no: they are left out. */
  readonly unsure: number;
  /** 0 to 1, by the weights of the cells; null where nothing was judged. */
  readonly share: number | null;
  /** 95 %. */
  readonly interval: Interval | null;
}

/** A number of pairs of the release, estimated; null where nothing was judged. */
export type Amount = (Interval & { readonly value: number }) | null;

/** The answer whose share is asked for. */
export type Side = 'yes' | 'no';

/**
 * The share of pairs that one would answer with `side`, over some cells: Σ N p / Σ N over the cells h with N pairs each, p the
 * share of those judged, which is unbiased since every cell was drawn from at random (Cochran, Sampling Techniques, 1977,
 * section 5.3). Cells of which none was judged are taken to be like the others, and are missing from `covered`.
 */
export function estimateShare(cells: readonly CellAnswers[], side: Side): Estimate {
  const sum = (of: (cell: CellAnswers) => number) => cells.reduce((total, cell) => total + of(cell), 0);
  const pairs = sum((cell) => cell.pairs);
  const terms = termsOf(cells, side);
  const estimated = terms.length === 0 ? null : weightedSum(terms.map((term) => scaled(term, 1 / pairs)));
  return {
    pairs,
    covered: terms.reduce((total, { draw }) => total + draw.pairs, 0),
    judged: sum(({ yes, no }) => yes + no),
    yes: sum((cell) => cell[side]),
    unsure: sum(({ unsure }) => unsure),
    share: estimated && clamp(estimated.value),
    interval: estimated && { low: clamp(estimated.low), high: clamp(estimated.high) },
  };
}

/** How many pairs of these cells one would answer with `side`. */
export function estimateAmount(cells: readonly CellAnswers[], side: Side): Amount {
  const { share, interval, pairs } = estimateShare(cells, side);
  if (share === null || interval === null) return null;
  return { value: pairs * share, low: pairs * interval.low, high: pairs * interval.high };
}

/**
 * Of the pairs of all these cells that one would answer with `side`, the share that lies in the first ones; null where none was
 * found, or where one of the two was not judged at all.
 */
export function shareWithin(
  part: readonly CellAnswers[],
  rest: readonly CellAnswers[],
  side: Side,
): Estimated | null {
  const [a, b] = [termsOf(part, side), termsOf(rest, side)];
  if ((part.length > 0 && a.length === 0) || (rest.length > 0 && b.length === 0)) return null;
  return shareOfSums(a, b);
}

/** A term for each cell that was judged, whose weights together are the pairs of all cells. */
function termsOf(cells: readonly CellAnswers[], side: Side): Term[] {
  const isJudged = (cell: CellAnswers) => cell.yes + cell.no > 0;
  const count = (some: readonly CellAnswers[]) => some.reduce((n, { pairs }) => n + pairs, 0);
  const judged = cells.filter(isJudged);
  const factor = count(cells) / count(judged);
  return judged.map((cell) => {
    const draw: Draw = { yes: cell[side], judged: cell.yes + cell.no, pairs: cell.pairs };
    return { weight: cell.pairs * factor, draw };
  });
}

function scaled({ weight, draw }: Term, factor: number): Term {
  return { weight: weight * factor, draw };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
