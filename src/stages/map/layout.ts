import { DotProducts } from '../../knn/dot-products.ts';
import { mix, setRows } from '../../knn/k-means.ts';
import { findNeighbours, noNeighbours } from './neighbours.ts';
import { principalPlane } from './principal-plane.ts';

/** Neighbours a point is held to: UMAP's default (McInnes, Healy, Melville 2018, n_neighbors). */
const NEIGHBOURS = 15;
/** Rounds over the edges: UMAP takes 200 for many points and 500 for few. */
const EPOCHS = 300;
/**
 * Points that each move away for one that moves near. UMAP takes 5; with 10 the neighbours in the plane are truer: trustworthiness
 * .920 against .904 of 4,096 of the vectors of docs/benchmarks.md.
 */
const PUSHED = 10;
/** A move in one coordinate at most, as in umap-learn's layouts.py. */
const MOST = 4;
/** Of the mean distance to a point's neighbours: how near the others must be to be held to it where it has twins. */
const SCALE_FLOOR = 0.25;
/** Half the width of the layout at the beginning, in its own units: umap-learn scales its beginning so. */
const SPREAD = 10;

/**
 * Lays rows out in two dimensions so that those with a great cosine lie near each other: UMAP, with the Cauchy kernel
 * 1 / (1 + d²) (a = b = 1; Böhm, Berens, Kobak 2022 find no visible difference) and a beginning by principal
 * components, which keeps what is far apart apart (Kobak, Linderman 2021). A pure function of rows and seed.
 *
 * @param rows of length 1, one after the other; all are compared with all, so some 10,000 at most
 * @returns x and y of each row, in units in which neighbours are about 1 apart
 */
export function layOut(rows: Float32Array, dimension: number, seed: number): Float32Array {
  const count = rows.length / dimension;
  const places = principalPlane(rows, dimension);
  let most = 0;
  for (const number of places) most = Math.max(most, Math.abs(number));
  for (let i = 0; i < places.length; i++) {
    // A little noise parts rows that are equal.
    const noise = (mix(i, seed) / 2 ** 32 - 0.5) * 0.002 * SPREAD;
    places[i] = (most === 0 ? 0 : (SPREAD * (places[i] ?? 0)) / most) + noise;
  }
  if (count > 2) pull(places, edgesOf(rows, dimension), seed);
  return places;
}

/** Points that belong together, each pair both ways, and how much: 0 to 1. */
interface Edges {
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly weights: Float32Array;
}

/** UMAP's fuzzy graph of neighbours: to belong to either's neighbourhood is to belong together. */
function edgesOf(rows: Float32Array, dimension: number): Edges {
  const count = rows.length / dimension;
  const k = Math.min(NEIGHBOURS, count - 1);
  const dots = new DotProducts(dimension);
  setRows(dots, rows);
  const found = noNeighbours(count, k + 1);
  findNeighbours(dots, rows, found);
  const one = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const ids: number[] = [];
    const distances: number[] = [];
    for (let n = 0; n <= k; n++) {
      const id = found.ids[i * (k + 1) + n] ?? -1;
      if (id === i || id < 0 || ids.length === k) continue;
      ids.push(id);
      distances.push(Math.max(0, 1 - (found.products[i * (k + 1) + n] ?? 0)));
    }
    const memberships = membershipsOf(distances);
    for (const [n, id] of ids.entries()) one.set(i * count + id, memberships[n] ?? 0);
  }
  const from: number[] = [];
  const to: number[] = [];
  const weights: number[] = [];
  for (const [key, weight] of one) {
    const [i, j] = [Math.floor(key / count), key % count];
    const back = one.get(j * count + i);
    if (back !== undefined && i > j) continue;
    const both = weight + (back ?? 0) - weight * (back ?? 0);
    from.push(i, j);
    to.push(j, i);
    weights.push(both, both);
  }
  return { from: Int32Array.from(from), to: Int32Array.from(to), weights: Float32Array.from(weights) };
}

/**
 * exp(-(d - nearest) / scale), with the scale at which they sum to log2(k) (UMAP, algorithm 3). Where several are equal to
 * the row itself, no scale is small enough; umap-learn then takes them for as near as the next ones, and parts twins.
 * Here they are nearest, and the scale has a floor, so that the others hold on too.
 */
function membershipsOf(distances: readonly number[]): number[] {
  const nearest = distances[0] ?? 0;
  const mean = distances.reduce((a, b) => a + b, 0) / distances.length;
  const target = Math.log2(distances.length);
  const at = (scale: number) => distances.map((d) => Math.exp(-Math.max(0, d - nearest) / scale));
  let [low, high] = [Math.max(1e-9, SCALE_FLOOR * mean), 4];
  for (let step = 0; step < 32; step++) {
    const middle = Math.sqrt(low * high);
    if (at(middle).reduce((a, b) => a + b, 0) > target) high = middle;
    else low = middle;
  }
  return at(high);
}

/** Moves points along their edges, and from others that are drawn: stochastic gradient descent as UMAP's. */
function pull(places: Float32Array, { from, to, weights }: Edges, seed: number): void {
  const count = places.length / 2;
  const strongest = weights.reduce((a, b) => Math.max(a, b), 0);
  /** What an edge has saved up: one of full weight moves its points in each epoch, others as often as their share. */
  const due = new Float32Array(weights.length);
  let draws = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const rate = 1 - epoch / EPOCHS;
    for (let e = 0; e < weights.length; e++) {
      const saved = (due[e] ?? 0) + (weights[e] ?? 0) / strongest;
      due[e] = saved < 1 ? saved : saved - 1;
      if (saved < 1) continue;
      const i = 2 * (from[e] ?? 0);
      const j = 2 * (to[e] ?? 0);
      let x = places[i] ?? 0;
      let y = places[i + 1] ?? 0;
      const dx = x - (places[j] ?? 0);
      const dy = y - (places[j + 1] ?? 0);
      const near = -2 / (1 + dx * dx + dy * dy);
      const mx = rate * clip(near * dx);
      const my = rate * clip(near * dy);
      x += mx;
      y += my;
      places[j] = (places[j] ?? 0) - mx;
      places[j + 1] = (places[j + 1] ?? 0) - my;
      for (let n = 0; n < PUSHED; n++) {
        const other = 2 * Math.floor((mix(draws++, seed) / 2 ** 32) * count);
        if (other === i) continue;
        const ox = x - (places[other] ?? 0);
        const oy = y - (places[other + 1] ?? 0);
        const d2 = ox * ox + oy * oy;
        // The thousandth keeps points that fell together from flying apart; as in umap-learn.
        const away = 2 / ((0.001 + d2) * (1 + d2));
        x += rate * clip(away * ox);
        y += rate * clip(away * oy);
      }
      places[i] = x;
      places[i + 1] = y;
    }
  }
}

function clip(move: number): number {
  if (move > MOST) return MOST;
  if (move < -MOST) return -MOST;
  return move;
}
