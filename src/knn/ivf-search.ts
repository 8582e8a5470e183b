import { Best, type Taken } from './best.ts';
import { CODE_ZERO, codeStride, planeStride } from './ivf-codes.ts';
import { NO_ID, readAt } from './ivf-files.ts';
import type { LoadedIvf, LoadedSegment } from './ivf-load.ts';
import { NearCells } from './ivf-near-cells.ts';
import type { CellPlan } from './ivf-plan.ts';
import { unpackVectors } from './ivf-write.ts';
import type { RowSet } from './row-set.ts';
import { normalizeRows } from './vector.ts';

/** What a search wants. */
export interface IvfQuery {
  readonly k: number;
  /** The ids that may be hits, and how many these are. */
  readonly among?: Among | undefined;
  readonly effort?: number | undefined;
  readonly vectors?: boolean | undefined;
}

export interface Among {
  readonly set: RowSet;
  readonly count: number;
}

/** Hits, best first: their scores are cosines, their places those in the index. */
export interface IvfHits extends Taken {
  /** Their vectors, of length 1, one after the other, where they were asked for. */
  readonly vectors?: Float32Array<ArrayBuffer>;
}

const NO_HITS: IvfHits = {
  ids: new Uint32Array(),
  scores: new Float64Array(),
  places: new Uint32Array(),
};

/** Rows between two that are read at once: a read of 8 KB more costs less than another read. */
const READ_GAP = 8;
/** Rows that are read at once, at most. */
const READ_ROWS = 64;
/** Candidates are so many more than rerank × k: of few, many may be wrong. */
const MORE_CANDIDATES = 20;
/**
 * Estimates are off by so much, times the square root of the dimension, three times in a thousand: three standard
 * deviations of the best 4-bit quantizer's error (.107 of a row's length) where rows are .8 from their centres. Candidates
 * that cannot be among the k best by this are not read.
 */
const ERROR = 3 * 0.107 * 0.8;
/** The low two bits of a code are 0 to 3: on the average this. */
const LOW_MIDDLE = 1.5;
/**
 * How far off an estimate without them is, in factors of a row: 2.5 standard deviations, of which each number of a query
 * of length 1 gives √1.25 times itself. One in 160 rows that would be candidates is missed by it.
 */
const SLACK = 2.5 * Math.sqrt(1.25);
/** Where fewer than one in so many rows may be hits, those that may are picked before they are compared. */
const SPARSE = 4;
/** Up to so many rows that may be hits, all of them are compared: no cell is passed over. */
const ALL_OF = 8192;

/** Searches an index on the thread that calls it. */
export class IvfSearcher {
  readonly #loaded: LoadedIvf;
  /** undefined in a flat index. */
  readonly #cells: Cells | undefined;
  readonly #best = new Best();
  readonly #exactAt: number;
  readonly #positionsAt: number;
  readonly #estimatesAt: number;
  readonly #readAt: number;
  readonly #dotsAt: number;
  /** Where codes and factors of a cell that is not resident are read to. */
  readonly #cellCodesAt: number;
  readonly #cellFactorsAt: number;

  constructor(loaded: LoadedIvf) {
    const { memory, dimension, plan, segments } = loaded;
    this.#loaded = loaded;
    this.#cells = plan.index === 'ivf' ? { plan, near: new NearCells(loaded, plan) } : undefined;
    this.#exactAt = memory.reserve(dimension * 4);
    const longest = this.#cells ? Math.max(1, ...segments.map(longestList)) : 1;
    this.#positionsAt = memory.reserve(longest * 4);
    this.#estimatesAt = memory.reserve(longest * 4);
    this.#readAt = memory.reserve(READ_ROWS * loaded.vectorBytes);
    this.#dotsAt = memory.reserve(READ_ROWS * 16);
    const streamed = segments.some(({ resident, segment }) => this.#cells && resident < segment.rows);
    this.#cellCodesAt = memory.reserve(streamed ? (longest + 3) * codeStride(dimension) : 0);
    this.#cellFactorsAt = memory.reserve(streamed ? (longest + 3) * 4 : 0);
  }

  /** @param query of length 1 */
  search(query: Float32Array, { k, among, effort = 1, vectors = false }: IvfQuery): IvfHits {
    this.#loaded.memory.floats(this.#exactAt, query.length).set(query);
    if (k < 1 || this.#loaded.places === 0) return NO_HITS;
    if (this.#cells) this.#estimate(query, this.#cells, { k, among, effort });
    const hits = this.#cells ? this.#measured(k) : this.#searchAll(k, among?.set);
    return vectors ? { ...hits, vectors: this.vectorsAt(hits.places) } : hits;
  }

  /** Vectors of length 1, one after the other. */
  vectorsAt(places: Uint32Array): Float32Array<ArrayBuffer> {
    const { path, segments, vectorBytes, dimension, plan } = this.#loaded;
    const bytes = new Uint8Array(places.length * vectorBytes);
    for (const [i, place] of places.entries()) {
      const loaded = segments.findLast(({ first }) => first <= place);
      if (!loaded) throw new RangeError(`there is no place ${place}`);
      const row = bytes.subarray(i * vectorBytes, (i + 1) * vectorBytes);
      readAt(path, loaded.vectorsFile, row, (place - loaded.first) * vectorBytes);
    }
    return normalizeRows(unpackVectors(bytes, plan.precision), dimension);
  }

  /** Compares all vectors. */
  #searchAll(k: number, among: RowSet | undefined): IvfHits {
    const { segments, vectorBytes } = this.#loaded;
    this.#best.start(k);
    for (const { ids, vectorsAt, first, segment } of segments)
      for (let start = 0; start < segment.rows; start += READ_ROWS) {
        const count = Math.min(READ_ROWS, segment.rows - start);
        const dots = this.#dots(vectorsAt + start * vectorBytes, count);
        for (let i = 0; i < count; i++) {
          const id = ids[start + i] ?? NO_ID;
          if (id !== NO_ID && (!among || among.has(id)))
            this.#best.push(cosineOf(dots, i), id, first + start + i);
        }
      }
    return this.#best.take();
  }

  /** Leaves the candidates of an index with cells in `#best`. */
  #estimate(query: Float32Array, { plan, near }: Cells, { k, among, effort = 1 }: IvfQuery): void {
    const { places, meanLength } = this.#loaded;
    const { scale, sum } = near.start(query);
    const allowed = among ? Math.min(among.count, places) : places;
    const wanted = Math.min(Math.ceil(k * plan.rerank) + MORE_CANDIDATES, allowed);
    this.#best.start(wanted);
    const share = Math.max(allowed, 1) / places;
    const sparse = share * SPARSE < 1;
    const scan = { queryAt: near.queryAt, scale, sum, among: among && { set: among.set, sparse } };
    if (among && allowed <= ALL_OF) {
      for (const cell of near.all()) this.#scanCell(cell, near.cosineTo(cell), scan);
      return;
    }
    const reach = plan.reach * effort;
    // Candidates lie in the more cells the fewer rows may be among them.
    const most = (plan.nProbe * Math.max(1, effort)) / Math.sqrt(share);
    let done = 0;
    for (const cell of near.nearest()) {
      const cosine = near.cosineTo(cell);
      const enough = this.#best.size >= wanted;
      if (enough && (cosine * meanLength < this.#best.threshold - reach || done >= most)) return;
      this.#scanCell(cell, cosine, scan);
      done++;
    }
  }

  #scanCell(cell: number, cosine: number, { queryAt, scale, sum, among }: Scan): void {
    const { memory, dimension, segments, lengths } = this.#loaded;
    const base = cosine * (lengths[cell] ?? 1);
    const bias = CODE_ZERO * sum;
    const plane = planeStride(dimension);
    for (const loaded of segments) {
      const start = loaded.lists[cell] ?? 0;
      const end = loaded.lists[cell + 1] ?? 0;
      if (start === end) continue;
      const { high, low, factors } = this.#cellRows(loaded, start, end, plane);
      if (among?.sparse) {
        const count = this.#pick(loaded, start, end, among.set);
        if (count === 0) continue;
        memory.kernels.scanSome(
          high,
          low,
          plane,
          factors,
          this.#positionsAt,
          count,
          queryAt,
          base,
          scale,
          bias,
          this.#estimatesAt,
        );
        this.#keep(loaded, start, count);
      } else {
        const found = memory.kernels.scan(
          high,
          low,
          plane,
          factors,
          end - start,
          queryAt,
          base,
          scale,
          bias,
          LOW_MIDDLE * sum,
          SLACK,
          this.#best.threshold,
          this.#positionsAt,
          this.#estimatesAt,
        );
        this.#keep(loaded, start, found, among?.set);
      }
    }
  }

  /** Addresses of the rows of a cell. */
  #cellRows(loaded: LoadedSegment, start: number, end: number, plane: number) {
    if (end <= loaded.resident) {
      const { highAt, lowAt, factorsAt } = loaded;
      return { high: highAt + start * plane, low: lowAt + start * plane, factors: factorsAt + start * 4 };
    }
    const { path, memory } = this.#loaded;
    const count = end - start;
    const [high, low, factors] = [this.#cellCodesAt, this.#cellCodesAt + count * plane, this.#cellFactorsAt];
    readAt(path, loaded.highFile, memory.bytes(high, count * plane), start * plane);
    readAt(path, loaded.lowFile, memory.bytes(low, count * plane), start * plane);
    readAt(path, loaded.factorsFile, memory.bytes(factors, count * 4), start * 4);
    return { high, low, factors };
  }

  /** Writes down which rows of a cell may be hits, counted from its first. */
  #pick({ ids }: LoadedSegment, start: number, end: number, among: RowSet): number {
    const positions = this.#loaded.memory.numbers(this.#positionsAt, end - start);
    let count = 0;
    for (let at = start; at < end; at++) if (among.has(ids[at] ?? NO_ID)) positions[count++] = at - start;
    return count;
  }

  #keep({ ids, first }: LoadedSegment, start: number, count: number, among?: RowSet): void {
    const { memory } = this.#loaded;
    const positions = memory.numbers(this.#positionsAt, count);
    const estimates = memory.floats(this.#estimatesAt, count);
    for (let i = 0; i < count; i++) {
      const at = start + (positions[i] ?? 0);
      const id = ids[at] ?? NO_ID;
      // What was taken out has no number; nor has it an estimate to be found by.
      if (id !== NO_ID && (!among || among.has(id))) this.#best.push(estimates[i] ?? 0, id, first + at);
    }
  }

  /** Reads the candidates' vectors, as far as they may be among the k best. @returns these by their cosines */
  #measured(k: number): IvfHits {
    const { ids, scores: estimates, places } = this.#best.take();
    this.#best.start(Math.min(k, ids.length));
    this.#measure(places.slice(0, k).sort());
    const least = this.#best.threshold - ERROR / Math.sqrt(this.#loaded.dimension);
    let end = Math.min(k, ids.length);
    while (end < ids.length && (estimates[end] ?? 0) >= least) end++;
    this.#measure(places.slice(k, end).sort());
    return this.#best.take();
  }

  /** @param places ascending */
  #measure(places: Uint32Array): void {
    this.#eachRun(places, (loaded, start, some) => {
      const dots = this.#dots(this.#readAt, (some.at(-1) ?? start) - start + 1);
      for (const at of some)
        this.#best.push(cosineOf(dots, at - start), loaded.ids[at] ?? NO_ID, loaded.first + at);
    });
  }

  /** Reads vectors to `#readAt`, those that lie near each other at once. */
  #eachRun(
    places: Uint32Array,
    each: (loaded: LoadedSegment, start: number, some: readonly number[]) => void,
  ): void {
    const { path, memory, segments, vectorBytes } = this.#loaded;
    let next = 0;
    for (const loaded of segments) {
      const { first, segment, vectorsFile } = loaded;
      while (next < places.length && (places[next] ?? 0) < first + segment.rows) {
        const start = (places[next] ?? 0) - first;
        const some = [start];
        for (next++; next < places.length; next++) {
          const at = (places[next] ?? 0) - first;
          const last = some.at(-1) ?? start;
          if (at >= segment.rows || at - last > READ_GAP || at - start >= READ_ROWS) break;
          some.push(at);
        }
        const count = (some.at(-1) ?? start) - start + 1;
        readAt(path, vectorsFile, memory.bytes(this.#readAt, count * vectorBytes), start * vectorBytes);
        each(loaded, start, some);
      }
    }
  }

  /** Products of the query with vectors at an address, and of these with themselves. */
  #dots(at: number, count: number): Float64Array {
    const { memory, dimension, plan } = this.#loaded;
    const dots = plan.precision === 'float16' ? memory.kernels.halfDots : memory.kernels.floatDots;
    dots(this.#exactAt, at, count, dimension, this.#dotsAt);
    return memory.doubles(this.#dotsAt, 2 * count);
  }
}

interface Cells {
  readonly plan: CellPlan;
  readonly near: NearCells;
}

interface Scan {
  /** Address of the query's bytes. */
  readonly queryAt: number;
  readonly scale: number;
  /** Of the query's bytes. */
  readonly sum: number;
  readonly among: { readonly set: RowSet; readonly sparse: boolean } | undefined;
}

function longestList({ lists }: LoadedSegment): number {
  let most = 0;
  for (let i = 1; i < lists.length; i++) most = Math.max(most, (lists[i] ?? 0) - (lists[i - 1] ?? 0));
  return most;
}

/** By what a stored vector's length is, which rounding moved from 1. */
function cosineOf(dots: Float64Array, i: number): number {
  const square = dots[2 * i + 1] ?? 0;
  return square === 0 ? 0 : (dots[2 * i] ?? 0) / Math.sqrt(square);
}
