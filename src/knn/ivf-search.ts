import { Best, type Taken } from './best.ts';
import { CENTRE_ZERO, quantizeRow } from './ivf-bytes.ts';
import { CODE_ZERO, codeStride } from './ivf-codes.ts';
import { NO_ID, readAt } from './ivf-files.ts';
import { type LoadedIvf, type LoadedSegment, queryStride } from './ivf-load.ts';
import type { CellPlan } from './ivf-plan.ts';
import { Rotation } from './rotation.ts';
import type { RowSet } from './row-set.ts';

/** What a search wants. */
export interface IvfQuery {
  readonly k: number;
  /** The ids that may be hits, and how many these are. */
  readonly among?: Among | undefined;
  readonly effort?: number | undefined;
}

export interface Among {
  readonly set: RowSet;
  readonly count: number;
}

/** Hits, best first: their scores are cosines, their places those in the index. */
export type IvfHits = Taken;

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
/** Cells that are looked at before more of them are put in order. */
const FIRST_CELLS = 24;
/** Centres that a query is compared with, those of the nearest groups, for each cell that is put in order. */
const CENTRES_A_PROBE = 32;
/**
 * Estimates are off by so much, times the square root of the dimension, three times in a thousand: three standard
 * deviations of the best 4-bit quantizer's error (.107 of a row's length) where rows are .8 from their centres. Candidates
 * that cannot be among the k best by this are not read.
 */
const ERROR = 3 * 0.107 * 0.8;
/** Where fewer than one in so many rows may be hits, those that may are picked before they are compared. */
const SPARSE = 4;
/** Up to so many rows that may be hits, all of them are compared: no cell is passed over. */
const ALL_OF = 8192;

/** Searches an index on the thread that calls it. */
export class IvfSearcher {
  readonly #loaded: LoadedIvf;
  readonly #plan: CellPlan | undefined;
  readonly #rotation: Rotation;
  readonly #best = new Best();
  readonly #probes = new Best();
  /** For each cell the number of the search that looked at it last. */
  readonly #visited: Uint32Array;
  #visit = 0;
  readonly #queryAt: number;
  readonly #exactAt: number;
  readonly #productsAt: number;
  readonly #groupProductsAt: number;
  readonly #cellNumbersAt: number;
  readonly #cellProductAt: number;
  readonly #positionsAt: number;
  readonly #estimatesAt: number;
  readonly #readAt: number;
  readonly #dotsAt: number;
  /** Where codes and factors of a cell that is not resident are read to. */
  readonly #cellCodesAt: number;
  readonly #cellFactorsAt: number;
  readonly #rotated: Float32Array;

  constructor(loaded: LoadedIvf) {
    const { memory, dimension, plan, segments } = loaded;
    this.#loaded = loaded;
    this.#plan = plan.index === 'ivf' ? plan : undefined;
    this.#rotation = new Rotation(memory, dimension, this.#plan?.seed ?? 0);
    this.#rotated = new Float32Array(dimension);
    this.#queryAt = memory.reserve(queryStride(dimension));
    this.#exactAt = memory.reserve(dimension * 4);
    this.#productsAt = memory.reserve(((this.#plan?.nList ?? 0) + 1) * 4);
    this.#groupProductsAt = memory.reserve(((this.#plan?.nGroups ?? 0) + 1) * 4);
    this.#cellNumbersAt = memory.reserve((this.#plan?.nList ?? 0) * 4);
    this.#cellProductAt = memory.reserve(8);
    this.#visited = new Uint32Array(this.#plan?.nList ?? 0);
    const longest = this.#plan ? Math.max(1, ...segments.map(longestList)) : 1;
    this.#positionsAt = memory.reserve(longest * 4);
    this.#estimatesAt = memory.reserve(longest * 4);
    this.#readAt = memory.reserve(READ_ROWS * loaded.vectorBytes);
    this.#dotsAt = memory.reserve(READ_ROWS * 16);
    const streamed = segments.some(({ resident, segment }) => this.#plan && resident < segment.rows);
    this.#cellCodesAt = memory.reserve(streamed ? longest * codeStride(dimension) : 0);
    this.#cellFactorsAt = memory.reserve(streamed ? longest * 4 : 0);
  }

  /** @param query of length 1 */
  search(query: Float32Array, { k, among, effort = 1 }: IvfQuery): IvfHits {
    this.#loaded.memory.floats(this.#exactAt, query.length).set(query);
    if (k < 1 || this.#loaded.places === 0) return NO_HITS;
    if (!this.#plan) return this.#searchAll(k, among?.set);
    this.#estimate(query, this.#plan, { k, among, effort });
    return this.#measured(k);
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
  #estimate(query: Float32Array, plan: CellPlan, { k, among, effort = 1 }: IvfQuery): void {
    const { places, meanLength } = this.#loaded;
    const { scale, sum } = this.#quantizeQuery(query);
    const allowed = among ? Math.min(among.count, places) : places;
    const wanted = Math.min(Math.ceil(k * plan.rerank) + MORE_CANDIDATES, allowed);
    this.#best.start(wanted);
    const share = Math.max(allowed, 1) / places;
    const scan = { scale, sum, among: among && { set: among.set, sparse: share * SPARSE < 1 } };
    if (among && allowed <= ALL_OF) {
      for (let cell = 0; cell < plan.nList; cell++)
        this.#scanCell(cell, this.#cosineTo(cell, plan, scan), scan);
      return;
    }
    const reach = plan.reach * effort;
    // Candidates lie in the more cells the fewer rows may be among them.
    const most = Math.min(plan.nList, (plan.nProbe * Math.max(1, effort)) / Math.sqrt(share));
    const cells = new NearCells(this.#nearestGroups(plan));
    for (let count = FIRST_CELLS; ; count *= 3) {
      for (const cell of this.#nearestCells(Math.min(count, plan.nList), cells, plan, scan)) {
        if (this.#visited[cell] === this.#visit) continue;
        this.#visited[cell] = this.#visit;
        const cosine = this.#cosineTo(cell, plan, scan);
        const enough = this.#best.size >= wanted;
        if (enough && (cosine * meanLength < this.#best.threshold - reach || cells.done >= most)) return;
        this.#scanCell(cell, cosine, scan);
        cells.done++;
      }
      if (count >= plan.nList) return;
    }
  }

  /** Leaves the query's bytes, rotated, where kernels find them. @returns what they are multiplied with, and their sum */
  #quantizeQuery(query: Float32Array): { scale: number; sum: number } {
    const { memory, dimension } = this.#loaded;
    this.#rotated.set(query);
    this.#rotation.apply(this.#rotated);
    const bytes = memory.signedBytes(this.#queryAt, queryStride(dimension));
    const scale = quantizeRow(this.#rotated, bytes);
    let sum = 0;
    for (const x of bytes) sum += x;
    this.#visit++;
    return { scale, sum };
  }

  /** All groups, nearest first. */
  #nearestGroups({ nGroups }: CellPlan): Uint32Array {
    const { memory, groupsAt, dimension } = this.#loaded;
    memory.kernels.products(this.#queryAt, groupsAt, nGroups, queryStride(dimension), this.#groupProductsAt);
    const products = memory.ints(this.#groupProductsAt, nGroups);
    this.#probes.start(nGroups);
    for (let group = 0; group < nGroups; group++) this.#probes.push(products[group] ?? 0, group, group);
    return this.#probes.take().ids;
  }

  /** The nearest cells by their codes, best first, as far as those of the nearest groups. */
  #nearestCells(count: number, cells: NearCells, plan: CellPlan, scan: Scan): Uint32Array {
    const { memory, groupStarts, centreCodesAt, centreFactorsAt, dimension } = this.#loaded;
    const stride = codeStride(dimension);
    const groupProducts = memory.ints(this.#groupProductsAt, plan.nGroups);
    const estimates = memory.floats(this.#productsAt, plan.nList);
    const seen = CENTRES_A_PROBE * count;
    for (; cells.seen < seen && cells.opened < cells.groups.length; cells.opened++) {
      const group = cells.groups[cells.opened] ?? 0;
      const start = groupStarts[group] ?? 0;
      const end = groupStarts[group + 1] ?? 0;
      memory.kernels.scan(
        ...([centreCodesAt + start * stride, stride, centreFactorsAt + start * 4, end - start] as const),
        this.#queryAt,
        ((groupProducts[group] ?? 0) - CENTRE_ZERO * scan.sum) * scan.scale * plan.groupScale,
        ...([scan.scale, CODE_ZERO * scan.sum, Number.NEGATIVE_INFINITY, 0] as const),
        // All are written down, in their order.
        ...([this.#cellNumbersAt, this.#productsAt + start * 4] as const),
      );
      cells.seen += end - start;
    }
    this.#probes.start(count);
    for (const group of cells.groups.subarray(0, cells.opened))
      for (let cell = groupStarts[group] ?? 0; cell < (groupStarts[group + 1] ?? 0); cell++) {
        const estimate = estimates[cell] ?? 0;
        if (estimate >= this.#probes.threshold) this.#probes.push(estimate, cell, cell);
      }
    return this.#probes.take().ids;
  }

  /** The cosine of the query to a cell's centre. */
  #cosineTo(cell: number, plan: CellPlan, { scale, sum }: Scan): number {
    const { memory, dimension, centresAt } = this.#loaded;
    const stride = queryStride(dimension);
    memory.kernels.products(this.#queryAt, centresAt + cell * stride, 1, stride, this.#cellProductAt);
    const product = memory.ints(this.#cellProductAt, 1)[0] ?? 0;
    return (product - CENTRE_ZERO * sum) * scale * plan.centreScale;
  }

  #scanCell(cell: number, cosine: number, { scale, sum, among }: Scan): void {
    const { memory, dimension, segments, lengths } = this.#loaded;
    const base = cosine * (lengths[cell] ?? 1);
    const bias = CODE_ZERO * sum;
    const stride = codeStride(dimension);
    for (const loaded of segments) {
      const start = loaded.lists[cell] ?? 0;
      const end = loaded.lists[cell + 1] ?? 0;
      if (start === end) continue;
      const { codes, factors } = this.#cellRows(loaded, start, end, stride);
      if (among?.sparse) {
        const count = this.#pick(loaded, start, end, among.set);
        if (count === 0) continue;
        memory.kernels.scanSome(
          codes,
          stride,
          factors,
          this.#positionsAt,
          count,
          this.#queryAt,
          base,
          scale,
          bias,
          this.#estimatesAt,
        );
        this.#keep(loaded, start, count);
      } else {
        const found = memory.kernels.scan(
          codes,
          stride,
          factors,
          end - start,
          this.#queryAt,
          base,
          scale,
          bias,
          this.#best.threshold,
          0,
          this.#positionsAt,
          this.#estimatesAt,
        );
        this.#keep(loaded, start, found, among?.set);
      }
    }
  }

  /** Addresses of the rows of a cell. */
  #cellRows(loaded: LoadedSegment, start: number, end: number, stride: number) {
    if (end <= loaded.resident)
      return { codes: loaded.codesAt + start * stride, factors: loaded.factorsAt + start * 4 };
    const { path, memory } = this.#loaded;
    const count = end - start;
    readAt(path, loaded.codesFile, memory.bytes(this.#cellCodesAt, count * stride), start * stride);
    readAt(path, loaded.factorsFile, memory.bytes(this.#cellFactorsAt, count * 4), start * 4);
    return { codes: this.#cellCodesAt, factors: this.#cellFactorsAt };
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

/** How far the cells of a search have been put in order. */
class NearCells {
  /** Nearest first. */
  readonly groups: Uint32Array;
  /** Groups whose centres were compared, and how many these are. */
  opened = 0;
  seen = 0;
  /** Cells that were looked at. */
  done = 0;

  constructor(groups: Uint32Array) {
    this.groups = groups;
  }
}

interface Scan {
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
