import { DotProducts } from '../../knn/dot-products.ts';
import { kMeans, mix, nearestRow, setRows } from '../../knn/k-means.ts';
import { layOut } from './layout.ts';
import { findNeighbours, noNeighbours } from './neighbours.ts';

/** Landmarks that a row is placed by. */
const PLACED_BY = 8;
/** Cells of landmarks that are looked through for a row: those with the nearest centres. */
const CELLS_LOOKED_AT = 3;
/** How sharply nearer landmarks outweigh others: a landmark whose cosine is less by a tenth weighs 1/e of it. */
const SHARPNESS = 10;

/**
 * Some rows laid out in the plane, by which all others are placed. Landmarks lie in cells round centres, so that a row
 * is compared with some hundred of them, whatever their number.
 */
export class Landmarks {
  readonly dimension: number;
  /** x and y of each. */
  readonly places: Float32Array;
  readonly #rows: Float32Array;
  readonly #seed: number;
  readonly #centres: DotProducts;
  readonly #cells: readonly (readonly number[])[];
  /** Of each the distance to its nearest others in the plane: how far a row may lie from it. */
  readonly #reach: Float32Array;

  /** @param rows of length 1, one after the other */
  constructor(rows: Float32Array, dimension: number, seed: number) {
    this.dimension = dimension;
    this.#rows = rows;
    this.#seed = seed;
    this.places = layOut(rows, dimension, seed);
    const count = rows.length / dimension;
    const centres = kMeans(rows, { dimension, clusters: Math.ceil(Math.sqrt(count)), seed });
    this.#centres = new DotProducts(dimension);
    setRows(this.#centres, centres);
    const cells: number[][] = Array.from({ length: centres.length / dimension }, () => []);
    for (const [row, cell] of nearestRow(this.#centres, rows).entries()) cells[cell]?.push(row);
    this.#cells = cells;
    this.#reach = reachOf(this.places);
  }

  get count(): number {
    return this.places.length / 2;
  }

  /**
   * Where rows lie by their nearest landmarks.
   *
   * @param rows of length 1, one after the other
   * @param first number of the first: a row's own, by which it is put a little aside, so that equal ones part
   * @returns x and y of each
   */
  place(rows: Float32Array, first: number): Float32Array {
    const { dimension } = this;
    const count = rows.length / dimension;
    const near = noNeighbours(count, Math.min(CELLS_LOOKED_AT, this.#cells.length));
    findNeighbours(this.#centres, rows, near);
    const lookers: number[][] = this.#cells.map(() => []);
    for (const [i, cell] of near.ids.entries()) if (cell >= 0) lookers[cell]?.push(Math.floor(i / near.k));
    const found = noNeighbours(count, PLACED_BY);
    const dots = new DotProducts(dimension);
    for (const [cell, members] of this.#cells.entries()) {
      const queries = lookers[cell] ?? [];
      if (queries.length === 0) continue;
      dots.clear();
      for (const row of members) dots.add(this.#rows.subarray(row * dimension, (row + 1) * dimension));
      const some = new Float32Array(queries.length * dimension);
      for (const [q, row] of queries.entries())
        some.set(rows.subarray(row * dimension, (row + 1) * dimension), q * dimension);
      findNeighbours(
        dots,
        some,
        found,
        (query) => queries[query] ?? 0,
        (row) => members[row] ?? 0,
      );
    }
    const places = new Float32Array(2 * count);
    for (let row = 0; row < count; row++) {
      const ids = found.ids.subarray(row * PLACED_BY, (row + 1) * PLACED_BY);
      const [x, y] = this.#among(ids, found.products.subarray(row * PLACED_BY, (row + 1) * PLACED_BY));
      const [dx, dy] = normalPair(first + row, this.#seed);
      const aside = 0.5 * (this.#reach[ids[0] ?? 0] ?? 0);
      places[2 * row] = x + aside * dx;
      places[2 * row + 1] = y + aside * dy;
    }
    return places;
  }

  /**
   * The mean of landmarks by their cosines; of those alone that lie round the nearest: between two groups there is
   * nothing to be shown.
   */
  #among(ids: Int32Array, cosines: Float32Array): readonly [number, number] {
    const best = ids[0] ?? -1;
    if (best < 0) return [0, 0];
    const [bx, by] = [this.places[2 * best] ?? 0, this.places[2 * best + 1] ?? 0];
    const reach = 6 * (this.#reach[best] ?? 0);
    let [x, y, sum] = [0, 0, 0];
    for (const [n, id] of ids.entries()) {
      if (id < 0) break;
      const [lx, ly] = [this.places[2 * id] ?? 0, this.places[2 * id + 1] ?? 0];
      if (Math.hypot(lx - bx, ly - by) > reach) continue;
      const weight = Math.exp(-SHARPNESS * ((cosines[0] ?? 0) - (cosines[n] ?? 0)));
      x += weight * lx;
      y += weight * ly;
      sum += weight;
    }
    return [x / sum, y / sum];
  }
}

/** Distance of each point to its third nearest in the plane: by then a twin or two do not make it nothing. */
function reachOf(places: Float32Array): Float32Array {
  const count = places.length / 2;
  const reach = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const nearest = [Infinity, Infinity, Infinity];
    for (let j = 0; j < count; j++) {
      if (i === j) continue;
      const dx = (places[2 * i] ?? 0) - (places[2 * j] ?? 0);
      const dy = (places[2 * i + 1] ?? 0) - (places[2 * j + 1] ?? 0);
      let d = dx * dx + dy * dy;
      for (let n = 0; n < nearest.length; n++) {
        const held = nearest[n] ?? 0;
        if (d < held) {
          nearest[n] = d;
          d = held;
        }
      }
    }
    const third = nearest[2] ?? Infinity;
    reach[i] = Number.isFinite(third) ? Math.sqrt(third) : 0.1;
  }
  return reach;
}

/** Two numbers of a normal distribution that belong to a number and a seed (Box and Muller). */
function normalPair(n: number, seed: number): readonly [number, number] {
  const radius = Math.sqrt(-2 * Math.log((mix(2 * n, seed) + 1) / 2 ** 32));
  const angle = (2 * Math.PI * mix(2 * n + 1, seed)) / 2 ** 32;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
