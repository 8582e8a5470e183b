import type { MapInfoAnswer, MapTile } from '../../../src/service/map-types.ts';
import { askForBytes } from '../ask.ts';
import { type Size, scaleOf, toFrame, type View } from './view.ts';

/** Bytes a point, and steps of a coordinate, as src/stages/map/map-files.ts has them. */
const POINT_BYTES = 12;
export const STEPS = 65_536;
/** Pixels that a tile is wide before those below it are wanted too. */
const TILE_PIXELS = 256;
/** Points of a view at most: 1.9 MB of them are loaded. */
const MOST_POINTS = 160_000;
/** Tiles that are kept: at most 16,384 points each. */
const KEPT = 64;
/** How long after a tile failed it is asked for again. */
const RETRY_MS = 3000;

/** Points of one tile, each property an array. */
export interface Points {
  readonly ids: Uint32Array;
  /** 0 to 1. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Finest region. */
  readonly regions: Uint8Array;
  /** -1 to 1 in 255 steps. */
  readonly similarities: Uint8Array;
  readonly languages: Uint8Array;
}

function decode(buffer: ArrayBuffer): Points {
  const view = new DataView(buffer);
  const count = Math.floor(buffer.byteLength / POINT_BYTES);
  const points = {
    ids: new Uint32Array(count),
    x: new Float32Array(count),
    y: new Float32Array(count),
    regions: new Uint8Array(count),
    similarities: new Uint8Array(count),
    languages: new Uint8Array(count),
  };
  for (let i = 0, at = 0; i < count; i++, at += POINT_BYTES) {
    points.ids[i] = view.getUint32(at, true);
    points.x[i] = (view.getUint16(at + 4, true) + 0.5) / STEPS;
    points.y[i] = (view.getUint16(at + 6, true) + 0.5) / STEPS;
    points.regions[i] = view.getUint8(at + 8);
    points.similarities[i] = view.getUint8(at + 9);
    points.languages[i] = view.getUint8(at + 10);
  }
  return points;
}

/** The tiles of a map: those that a view needs are asked for, those that came are kept a while. */
export class TileStore {
  readonly #tiles: readonly MapTile[];
  readonly #nsfw: boolean;
  readonly #onChange: (problem: string) => void;
  /** By name, least recently wanted first; null while it is on its way. */
  readonly #held = new Map<string, Points | null>();
  readonly #stop = new AbortController();

  /** @param onChange told when points came, or with a sentence that they did not */
  constructor(info: MapInfoAnswer, nsfw: boolean, onChange: (problem: string) => void) {
    this.#tiles = info.tiles;
    this.#nsfw = nsfw;
    this.#onChange = onChange;
  }

  /** The points that a view shows, so far as they are here; the others are asked for. */
  within(view: View, size: Size): readonly Points[] {
    const here: Points[] = [];
    for (const tile of this.#wanted(view, size)) {
      const name = `${tile.z}/${tile.x}/${tile.y}`;
      const points = this.#held.get(name);
      if (points === undefined) {
        this.#load(name);
        continue;
      }
      this.#held.delete(name);
      this.#held.set(name, points);
      if (points) here.push(points);
    }
    for (const name of this.#held.keys()) {
      if (this.#held.size <= KEPT) break;
      this.#held.delete(name);
    }
    return here;
  }

  /** The tiles of a view, down to the depth at which they are some hundred pixels wide, or too many points. */
  #wanted(view: View, size: Size): readonly MapTile[] {
    const deepest = Math.max(0, Math.floor(Math.log2(scaleOf(view, size) / TILE_PIXELS)));
    const seen = this.#tiles.filter((tile) => tile.z <= deepest && isSeen(tile, view, size));
    const wanted: MapTile[] = [];
    let points = 0;
    for (let depth = 0; depth <= deepest; depth++) {
      // All of a depth or none: where some were missing, it would look as if less lay there.
      const tiles = seen.filter(({ z }) => z === depth);
      points += tiles.reduce((sum, { count }) => sum + count, 0);
      if (points > MOST_POINTS) break;
      wanted.push(...tiles);
    }
    return wanted;
  }

  #load(name: string): void {
    this.#held.set(name, null);
    askForBytes(`/api/v1/map?tile=${name}&nsfw=${this.#nsfw}`, { signal: this.#stop.signal }).then(
      (bytes) => {
        this.#held.set(name, decode(bytes));
        this.#onChange('');
      },
      (error: unknown) => {
        if (this.#stop.signal.aborted) return;
        const problem = error instanceof Error ? error.message : String(error);
        this.#onChange(problem);
        setTimeout(() => {
          if (this.#stop.signal.aborted) return;
          this.#held.delete(name);
          this.#onChange(problem);
        }, RETRY_MS);
      },
    );
  }

  close(): void {
    this.#stop.abort();
  }
}

function isSeen({ z, x, y }: MapTile, view: View, size: Size): boolean {
  const side = 2 ** -z;
  const [left, top] = toFrame(view, size, x * side, y * side);
  const [right, bottom] = toFrame(view, size, (x + 1) * side, (y + 1) * side);
  return right >= 0 && bottom >= 0 && left <= size.width && top <= size.height;
}

/** A point that is looked at: which, and where on the map. */
export interface Picked {
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

/** The point nearest to a place of the frame. @param within pixels at most */
export function pick(
  tiles: readonly Points[],
  view: View,
  size: Size,
  [atX, atY]: readonly [number, number],
  within: number,
): Picked | null {
  const scale = scaleOf(view, size);
  const [mapX, mapY] = [view.x + (atX - size.width / 2) / scale, view.y + (atY - size.height / 2) / scale];
  let least = (within / scale) ** 2;
  let found: Picked | null = null;
  for (const { ids, x, y } of tiles)
    for (let i = 0; i < ids.length; i++) {
      const d = ((x[i] ?? 0) - mapX) ** 2 + ((y[i] ?? 0) - mapY) ** 2;
      if (d >= least) continue;
      least = d;
      found = { id: ids[i] ?? 0, x: x[i] ?? 0, y: y[i] ?? 0 };
    }
  return found;
}
