import { mix } from '../../knn/k-means.ts';

/** Regions of the levels, at most: some dozen that fit a screen, and each time four times as many as one comes nearer. */
const LEVELS = [12, 48, 192];
/** Landmarks a region at least, on average. */
const LEAST = 8;
const ROUNDS = 30;

/** A part of the map. */
export interface Region {
  /** 0 for those that are seen from afar. */
  readonly level: number;
  /** The region around it, by its number; -1 at level 0. */
  readonly parent: number;
  readonly x: number;
  readonly y: number;
}

/** Regions within regions; those of the finest level are the first, and every point lies in one of these. */
export interface Regions {
  readonly all: readonly Region[];
  /** How many of `all` are of the finest level. */
  readonly finest: number;
}

/**
 * Parts the plane round points: k-means for the finest level, whose regions are then joined in pairs, each time those whose
 * joining makes the scatter grow least (Ward 1963).
 *
 * @param places x and y of each point
 */
export function findRegions(places: Float32Array, seed: number): Regions {
  const count = places.length / 2;
  const most = Math.max(1, Math.floor(count / LEAST));
  // Levels that would hardly differ from the one before are left out.
  const sizes = LEVELS.map((size) => Math.min(size, most)).filter(
    (size, i, all) => i === 0 || size >= 2 * (all[i - 1] ?? 0),
  );
  if (count === 0) return { all: [], finest: 0 };
  let groups = kMeansInPlane(places, sizes.at(-1) ?? 1, seed);
  const finest = groups.length;
  const levels = [groups];
  for (const size of sizes.slice(0, -1).reverse()) {
    groups = joined(groups, size);
    levels.push(groups);
  }
  const all: { level: number; parent: number; x: number; y: number }[] = [];
  let [before, first] = [0, 0];
  for (const [i, level] of levels.entries()) {
    for (const [n, { x, y, members }] of level.entries()) {
      if (i > 0)
        for (const member of members) {
          const child = all[before + member];
          if (child) child.parent = first + n;
        }
      all.push({ level: levels.length - 1 - i, parent: -1, x, y });
    }
    before = first;
    first = all.length;
  }
  return { all, finest };
}

/** The finest region that each point lies in: that with the nearest middle. */
export function regionOf({ all, finest }: Regions, x: number, y: number): number {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < finest; i++) {
    const region = all[i];
    if (!region) break;
    const d = (region.x - x) ** 2 + (region.y - y) ** 2;
    if (d < least) [best, least] = [i, d];
  }
  return best;
}

interface Group {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** Numbers of the groups of the level below. */
  readonly members: readonly number[];
}

function kMeansInPlane(places: Float32Array, k: number, seed: number): Group[] {
  const count = places.length / 2;
  const centres = farApart(places, k, seed);
  let groups: Group[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const sums = new Float64Array(3 * k);
    for (let i = 0; i < count; i++) {
      const [x, y] = [places[2 * i] ?? 0, places[2 * i + 1] ?? 0];
      let [best, least] = [0, Infinity];
      for (let c = 0; c < k; c++) {
        const d = (x - (centres[2 * c] ?? 0)) ** 2 + (y - (centres[2 * c + 1] ?? 0)) ** 2;
        if (d < least) [best, least] = [c, d];
      }
      sums[3 * best] = (sums[3 * best] ?? 0) + x;
      sums[3 * best + 1] = (sums[3 * best + 1] ?? 0) + y;
      sums[3 * best + 2] = (sums[3 * best + 2] ?? 0) + 1;
    }
    groups = [];
    for (let c = 0; c < k; c++) {
      const size = sums[3 * c + 2] ?? 0;
      if (size === 0) continue;
      centres[2 * c] = (sums[3 * c] ?? 0) / size;
      centres[2 * c + 1] = (sums[3 * c + 1] ?? 0) / size;
      groups.push({ x: centres[2 * c] ?? 0, y: centres[2 * c + 1] ?? 0, size, members: [] });
    }
  }
  return groups;
}

/** Points drawn by their squared distance to those drawn before (k-means++, Arthur and Vassilvitskii 2007). */
function farApart(places: Float32Array, k: number, seed: number): Float64Array {
  const count = places.length / 2;
  const centres = new Float64Array(2 * k);
  const distances = new Float64Array(count).fill(1);
  for (let c = 0; c < k; c++) {
    const total = distances.reduce((a, b) => a + b, 0);
    let left = (mix(c, seed) / 2 ** 32) * total;
    let at = 0;
    for (; at < count - 1; at++) {
      left -= distances[at] ?? 0;
      if (left <= 0) break;
    }
    const [x, y] = [places[2 * at] ?? 0, places[2 * at + 1] ?? 0];
    centres.set([x, y], 2 * c);
    for (let i = 0; i < count; i++) {
      const d = (x - (places[2 * i] ?? 0)) ** 2 + (y - (places[2 * i + 1] ?? 0)) ** 2;
      distances[i] = c === 0 ? d : Math.min(distances[i] ?? 0, d);
    }
  }
  return centres;
}

/** Groups joined until so many are left. */
function joined(groups: readonly Group[], left: number): Group[] {
  const now: Group[] = groups.map((group, i) => ({ ...group, members: [i] }));
  while (now.length > left) {
    let [a, b, least] = [0, 1, Infinity];
    for (let i = 0; i < now.length; i++)
      for (let j = i + 1; j < now.length; j++) {
        const cost = growth(now[i], now[j]);
        if (cost < least) [a, b, least] = [i, j, cost];
      }
    const [one, other] = [now[a], now[b]];
    if (!one || !other) break;
    const size = one.size + other.size;
    const x = (one.x * one.size + other.x * other.size) / size;
    const y = (one.y * one.size + other.y * other.size) / size;
    now[a] = { x, y, size, members: [...one.members, ...other.members] };
    now.splice(b, 1);
  }
  return now;
}

/** By how much the sum of squared distances to the middle grows where two become one. */
function growth(a: Group | undefined, b: Group | undefined): number {
  if (!a || !b) return Infinity;
  return ((a.size * b.size) / (a.size + b.size)) * ((a.x - b.x) ** 2 + (a.y - b.y) ** 2);
}
