import { DotProducts } from './dot-products.ts';
import { byteStride, type Centres, quantizeCentres } from './ivf-bytes.ts';
import { IvfMemory } from './ivf-memory.ts';
import { drawNumbers, kMeans, nearestRow, setRows } from './k-means.ts';
import { normalizeRows } from './vector.ts';

/** Centres multiplied before the next rows: with 512 dimensions they are 32 KiB, a core's nearest cache. */
const TILE = 64;
/** Rows whose nearest centres are sought at once. */
const ROWS = 256;
/** The cells of an index. */
export interface Cells {
  readonly centres: Centres;
  /** For each cell, how long its centre is: the mean cosine of its rows with it. */
  readonly lengths: Float32Array;
  /** Centres of groups of cells that are near each other. */
  readonly groups: Centres;
  /** Where the cells of each group begin, and at last their number. */
  readonly groupStarts: Uint32Array;
}

/** Tells of rows, as signed bytes, which centre is nearest to each: that with the greatest product, the first of equal ones. */
export class CellFinder {
  readonly #memory = new IvfMemory();
  readonly #stride: number;
  readonly #most: number;
  readonly #centresAt: number;
  readonly #rowsAt: number;
  readonly #bestAt: number;
  #count = 0;

  /** @param most centres that it will be given */
  constructor(dimension: number, most: number) {
    const stride = byteStride(dimension);
    this.#stride = stride;
    this.#most = most;
    // Two at once are multiplied: one without a number may stand behind the last.
    this.#centresAt = this.#memory.reserve((most + 1) * stride);
    this.#rowsAt = this.#memory.reserve(ROWS * stride);
    this.#bestAt = this.#memory.reserve(ROWS * 8);
  }

  /** Puts centres in place of those that were there. */
  use({ count, bytes }: Centres): this {
    if (count > this.#most) throw new RangeError(`${count} centres, where ${this.#most} have room`);
    const stride = this.#stride;
    const at = this.#memory.bytes(this.#centresAt, (count + 1) * stride);
    at.set(bytes);
    // The same as the last one: of equal ones the first is taken.
    if (count > 0) at.copyWithin(count * stride, (count - 1) * stride, count * stride);
    this.#count = count;
    return this;
  }

  /**
   * @param rows of `stride` bytes, one after the other
   * @param nearest receives the numbers of the centres
   */
  find(rows: Int8Array, nearest: Uint32Array): void {
    const [count, stride] = [this.#count, this.#stride];
    const { kernels } = this.#memory;
    const total = rows.length / stride;
    const best = this.#memory.ints(this.#bestAt, ROWS * 2);
    const place = this.#memory.signedBytes(this.#rowsAt, ROWS * stride);
    for (let start = 0; start < total; start += ROWS) {
      const some = Math.min(ROWS, total - start);
      place.set(rows.subarray(start * stride, (start + some) * stride));
      best.fill(-(2 ** 31));
      for (let c = 0; c < count; c += TILE) {
        const tile = Math.min(TILE, count - c);
        kernels.nearest(
          this.#rowsAt,
          Math.ceil(some / 4) * 4,
          this.#centresAt + c * stride,
          tile + (tile % 2),
          stride,
          this.#bestAt,
          c,
        );
      }
      for (let i = 0; i < some; i++) nearest[start + i] = best[2 * i + 1] ?? 0;
    }
  }
}

export interface TrainOptions {
  readonly dimension: number;
  /** Cells wanted, a power of two. */
  readonly cells: number;
  readonly seed: number;
  /** Told of every step, so that others get a turn: the share that is done, 0 to 1. */
  readonly onStep: (share: number) => Promise<void>;
}

/** Rounds of k-means within the first cells, then over all. */
const [INNER_ROUNDS, OUTER_ROUNDS] = [6, 10];

/**
 * Spherical k-means of a sample: centres of length 1. First some √cells groups, then each is parted into as many as its
 * rows deserve, and at last all centres are moved together, three times: the first two steps take a thirtieth of what
 * k-means with so many centres would, and what they leave to do three rounds do.
 *
 * @param rows signed bytes, `byteStride(dimension)` a row: each of length 1 but for a scale of its own
 * @param scales what each row's bytes are to be multiplied with
 * @returns the centres, and for each the mean cosine of its rows with it
 */
export async function trainCells(
  rows: Int8Array,
  scales: Float32Array,
  { dimension, cells, seed, onStep }: TrainOptions,
): Promise<Cells> {
  const stride = byteStride(dimension);
  const all = Uint32Array.from({ length: scales.length }, (_, i) => i);
  const finder = new CellFinder(dimension, cells);
  const sample: Sample = { rows, scales, dimension, stride, finder };
  const groups = 2 ** Math.floor(Math.log2(cells) / 2);
  let members = new Uint32Array(all.length);
  let centres = draw(sample, all, groups, seed);
  for (let round = 0; round < INNER_ROUNDS; round++) {
    members = assign(sample, all, centres);
    centres = means(sample, all, members, centres).centres;
    await onStep((0.1 * (round + 1)) / INNER_ROUNDS);
  }
  const parts: Float32Array[] = [];
  const shares = apportion(members, groups, cells);
  for (const [group, share] of shares.entries()) {
    const mine = all.filter((row) => members[row] === group);
    if (share === 0) continue;
    let inner = draw(sample, mine, share, seed + group);
    for (let round = 0; round < INNER_ROUNDS; round++)
      inner = means(sample, mine, assign(sample, mine, inner), inner).centres;
    parts.push(inner);
    await onStep(0.1 + (0.3 * (group + 1)) / groups);
  }
  centres = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    centres.set(part, at);
    at += part.length;
  }
  let lengths = new Float32Array();
  for (let round = 0; round < OUTER_ROUNDS; round++) {
    const found = means(sample, all, await assignSlowly(sample, centres, onStep, round), centres);
    ({ centres, lengths } = found);
  }
  return groupCells(centres, lengths, dimension, seed);
}

/**
 * Puts cells that are near each other side by side, four times as many groups as a group has cells: a search compares its
 * query with those first, and with the cells of the nearest third of them.
 */
function groupCells(centres: Float32Array, lengths: Float32Array, dimension: number, seed: number): Cells {
  const cells = lengths.length;
  const clusters = 2 ** Math.round(Math.log2(4 * Math.sqrt(cells)));
  const groups = kMeans(centres, { dimension, clusters, seed });
  const dots = new DotProducts(dimension);
  setRows(dots, groups);
  const groupOf = nearestRow(dots, centres);
  const order = Uint32Array.from(groupOf.keys()).sort(
    (a, b) => (groupOf[a] ?? 0) - (groupOf[b] ?? 0) || a - b,
  );
  const groupStarts = new Uint32Array(groups.length / dimension + 1);
  for (const group of groupOf) groupStarts[group + 1] = (groupStarts[group + 1] ?? 0) + 1;
  for (let g = 1; g < groupStarts.length; g++)
    groupStarts[g] = (groupStarts[g] ?? 0) + (groupStarts[g - 1] ?? 0);
  const sorted = new Float32Array(centres.length);
  for (const [to, from] of order.entries())
    sorted.set(centres.subarray(from * dimension, (from + 1) * dimension), to * dimension);
  return {
    centres: quantizeCentres(sorted, dimension),
    lengths: Float32Array.from(order, (cell) => lengths[cell] ?? 1),
    groups: quantizeCentres(groups, dimension),
    groupStarts,
  };
}

interface Sample {
  readonly rows: Int8Array;
  readonly scales: Float32Array;
  readonly dimension: number;
  readonly stride: number;
  readonly finder: CellFinder;
}

/** As many different rows as wanted, or all, as centres. */
function draw(sample: Sample, among: Uint32Array, wanted: number, seed: number): Float32Array {
  const { dimension, rows, stride } = sample;
  const count = Math.min(wanted, among.length);
  const centres = new Float32Array(count * dimension);
  for (const [c, drawn] of drawNumbers(among.length, count, seed).entries()) {
    const at = (among[drawn] ?? 0) * stride;
    for (let i = 0; i < dimension; i++) centres[c * dimension + i] = rows[at + i] ?? 0;
  }
  return normalizeRows(centres, dimension);
}

/** How many of the cells each group gets: by its rows, one at least where it has any, never more than rows. */
function apportion(members: Uint32Array, groups: number, cells: number): number[] {
  const sizes = new Array<number>(groups).fill(0);
  for (const group of members) sizes[group] = (sizes[group] ?? 0) + 1;
  const total = Math.max(1, members.length);
  let [rowsBefore, cellsBefore] = [0, 0];
  return sizes.map((size) => {
    rowsBefore += size;
    const upTo = Math.round((rowsBefore / total) * cells);
    const share = size === 0 ? 0 : Math.min(size, Math.max(1, upTo - cellsBefore));
    cellsBefore = Math.max(cellsBefore + share, upTo);
    return share;
  });
}

function assign(
  { rows, dimension, stride, finder }: Sample,
  among: Uint32Array,
  centres: Float32Array,
): Uint32Array<ArrayBuffer> {
  finder.use(quantizeCentres(centres, dimension));
  const members = new Uint32Array(among.length);
  const some = new Int8Array(ROWS * stride);
  for (let start = 0; start < among.length; start += ROWS) {
    const count = Math.min(ROWS, among.length - start);
    for (let i = 0; i < count; i++) {
      const at = (among[start + i] ?? 0) * stride;
      some.set(rows.subarray(at, at + stride), i * stride);
    }
    finder.find(some.subarray(0, count * stride), members.subarray(start, start + count));
  }
  return members;
}

/** The same of all rows, with breaks. */
async function assignSlowly(
  { rows, dimension, stride, scales, finder }: Sample,
  centres: Float32Array,
  onStep: TrainOptions['onStep'],
  round: number,
): Promise<Uint32Array> {
  finder.use(quantizeCentres(centres, dimension));
  const members = new Uint32Array(scales.length);
  const step = 16 * ROWS;
  for (let start = 0; start < members.length; start += step) {
    const end = Math.min(start + step, members.length);
    finder.find(rows.subarray(start * stride, end * stride), members.subarray(start, end));
    await onStep(0.4 + (0.6 * (round + end / members.length)) / OUTER_ROUNDS);
  }
  return members;
}

/** The means of the rows of each centre, brought to length 1. A centre that nobody is nearest to stays where it is. */
function means(
  { rows, scales, dimension, stride }: Sample,
  among: Uint32Array,
  members: Uint32Array,
  before: Float32Array,
): { centres: Float32Array; lengths: Float32Array<ArrayBuffer> } {
  const count = before.length / dimension;
  const sums = new Float32Array(before.length);
  const sizes = new Uint32Array(count);
  for (let m = 0; m < among.length; m++) {
    const row = among[m] ?? 0;
    const c = members[m] ?? 0;
    sizes[c] = (sizes[c] ?? 0) + 1;
    const scale = scales[row] ?? 0;
    const [from, to] = [row * stride, c * dimension];
    for (let i = 0; i < dimension; i++) sums[to + i] = (sums[to + i] ?? 0) + scale * (rows[from + i] ?? 0);
  }
  const lengths = new Float32Array(count);
  for (let c = 0; c < count; c++) {
    const size = sizes[c] ?? 0;
    const at = c * dimension;
    if (size === 0) {
      sums.set(before.subarray(at, at + dimension), at);
      lengths[c] = 1;
      continue;
    }
    let square = 0;
    for (let i = at; i < at + dimension; i++) square += (sums[i] ?? 0) ** 2;
    // The sum's length by the number of rows is the mean cosine with its direction.
    lengths[c] = Math.sqrt(square) / size;
  }
  return { centres: normalizeRows(sums, dimension), lengths };
}
