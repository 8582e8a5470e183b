import type { PlacedRow } from './draw-map.ts';
import { type MapInfo, OTHER_LANGUAGE, POINT_BYTES, UNSAFE_FLAG } from './map-files.ts';
import type { RegionTold } from './region-names.ts';
import { type Regions, regionOf } from './regions.ts';
import type { Runs } from './runs.ts';

/** Steps of a coordinate. */
const STEPS = 65_536;
/** Free at each side of the map, as a share of it: rows may lie a little outside of what was laid out. */
const MARGIN = 0.04;

/** Makes records of rows, and counts what they hold. */
export class PointWriter {
  /** The finest region of each row of the sample of captions. */
  readonly captionRegions: Uint8Array;
  readonly #captions: Runs;
  readonly #regions: Regions;
  readonly #left: number;
  readonly #top: number;
  readonly #scale: number;
  readonly #languages = new Map<string, { readonly place: number; rows: number }>();
  readonly #rows: Uint32Array;
  readonly #unsafe: Uint32Array;
  #least = Infinity;
  #greatest = -Infinity;

  /** @param laidOut x and y of all landmarks: their square is the map */
  constructor(laidOut: Float32Array, regions: Regions, captions: Runs) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < laidOut.length; i += 2) {
      left = Math.min(left, laidOut[i] ?? 0);
      right = Math.max(right, laidOut[i] ?? 0);
      top = Math.min(top, laidOut[i + 1] ?? 0);
      bottom = Math.max(bottom, laidOut[i + 1] ?? 0);
    }
    const side = Math.max(right - left, bottom - top, 1e-6) * (1 + 2 * MARGIN);
    this.#scale = STEPS / side;
    this.#left = (left + right - side) / 2;
    this.#top = (top + bottom - side) / 2;
    this.#regions = regions;
    this.#captions = captions;
    this.captionRegions = new Uint8Array(captions.size);
    this.#rows = new Uint32Array(regions.all.length);
    this.#unsafe = new Uint32Array(regions.all.length);
  }

  /** The records of some rows. */
  points(rows: readonly PlacedRow[]): Uint8Array {
    const bytes = new Uint8Array(rows.length * POINT_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [i, row] of rows.entries()) {
      const region = regionOf(this.#regions, row.x, row.y);
      const safe = row.nsfw === 'UNLIKELY';
      const at = i * POINT_BYTES;
      view.setUint32(at, row.id, true);
      view.setUint16(at + 4, this.#step(row.x - this.#left), true);
      view.setUint16(at + 6, this.#step(row.y - this.#top), true);
      view.setUint8(at + 8, region);
      view.setUint8(at + 9, Math.round((Math.min(1, Math.max(-1, row.similarity)) + 1) * 127.5));
      view.setUint8(at + 10, this.#language(row.language));
      view.setUint8(at + 11, safe ? 0 : UNSAFE_FLAG);
      this.#least = Math.min(this.#least, row.similarity);
      this.#greatest = Math.max(this.#greatest, row.similarity);
      const caption = this.#captions.indexOf(row.id);
      if (caption >= 0) this.captionRegions[caption] = region;
      this.#count(region, safe);
    }
    return bytes;
  }

  #step(offset: number): number {
    return Math.min(STEPS - 1, Math.max(0, Math.floor(offset * this.#scale)));
  }

  #language(value: string): number {
    let language = this.#languages.get(value);
    if (!language) {
      language = { place: Math.min(this.#languages.size, OTHER_LANGUAGE), rows: 0 };
      // What comes behind is not told apart: so the names are bounded too.
      if (language.place === OTHER_LANGUAGE) return OTHER_LANGUAGE;
      this.#languages.set(value, language);
    }
    language.rows++;
    return language.place;
  }

  /** Counts a row in its region, and in those round it. */
  #count(finest: number, safe: boolean): void {
    for (let r = finest; r >= 0; r = this.#regions.all[r]?.parent ?? -1) {
      this.#rows[r] = (this.#rows[r] ?? 0) + 1;
      if (!safe) this.#unsafe[r] = (this.#unsafe[r] ?? 0) + 1;
    }
  }

  /** @param told the words and the picture of each region */
  summary(told: readonly RegionTold[]): Pick<MapInfo, 'regions' | 'languages' | 'similarity'> {
    const regions = this.#regions.all.map(({ level, parent, x, y }, i) => ({
      level,
      parent,
      x: this.#step(x - this.#left),
      y: this.#step(y - this.#top),
      words: [...(told[i]?.words ?? [])],
      rows: this.#rows[i] ?? 0,
      unsafe: this.#unsafe[i] ?? 0,
      picture: told[i]?.picture ?? null,
    }));
    const languages = [...this.#languages].map(([value, { rows }]) => ({ value, rows }));
    const similarity =
      this.#greatest < this.#least ? { min: 0, max: 0 } : { min: this.#least, max: this.#greatest };
    return { regions, languages, similarity };
  }
}
