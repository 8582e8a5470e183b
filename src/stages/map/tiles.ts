import type { ByteSink } from '../../storage/index.ts';
import { RecordSorter } from '../../storage/index.ts';
import { type MapInfo, POINT_BYTES, TILE_POINTS } from './map-files.ts';

/** Depths at most: then a tile is 16 steps wide, and takes all that is left. */
const DEEPEST = 12;
/** Words a record in the sorter: tile, number, and the three words of a point. */
const WORDS = 5;

/**
 * Points in a quadtree: each is in the first tile on its way down that is not full. Rows come in the order of hashes, so
 * the tiles down to any depth hold a sample of what lies there, which deeper ones make denser.
 */
export class Tiles implements AsyncDisposable {
  readonly #sorter: RecordSorter;
  /** By depth and place, in the order in which they came to be. */
  readonly #tiles = new Map<number, { z: number; x: number; y: number; number: number; count: number }>();
  #points = 0;

  /** @param folder for points that memory does not hold */
  constructor(folder: string) {
    this.#sorter = new RecordSorter(folder, { words: WORDS, keyWords: 2 });
  }

  /** @param points whole records, as map-files.ts has them */
  async add(points: Uint8Array): Promise<void> {
    const words = new Uint32Array(points.buffer, points.byteOffset, points.byteLength / 4);
    const records = new Uint32Array((words.length / 3) * WORDS);
    for (let at = 0, to = 0; at < words.length; at += 3, to += WORDS) {
      const place = words[at + 1] ?? 0;
      records[to] = this.#tileOf(place & 0xffff, place >>> 16);
      records[to + 1] = this.#points++;
      records.set(words.subarray(at, at + 3), to + 2);
    }
    await this.#sorter.add(records);
  }

  #tileOf(x: number, y: number): number {
    for (let z = 0; ; z++) {
      const [tx, ty] = [x >>> (16 - z), y >>> (16 - z)];
      const key = (z * 2 ** DEEPEST + ty) * 2 ** DEEPEST + tx;
      let tile = this.#tiles.get(key);
      if (!tile) {
        tile = { z, x: tx, y: ty, number: this.#tiles.size, count: 0 };
        this.#tiles.set(key, tile);
      }
      if (tile.count === TILE_POINTS && z < DEEPEST) continue;
      tile.count++;
      return tile.number;
    }
  }

  /** Writes the points, tile after tile; once, after the last `add`. */
  async write(sink: ByteSink): Promise<MapInfo['tiles']> {
    for await (const block of this.#sorter.sorted()) {
      const points = new Uint32Array((block.length / WORDS) * (POINT_BYTES / 4));
      for (let from = 0, to = 0; from < block.length; from += WORDS, to += 3)
        points.set(block.subarray(from + 2, from + WORDS), to);
      await sink.write(new Uint8Array(points.buffer));
    }
    let first = 0;
    return [...this.#tiles.values()].map(({ z, x, y, count }) => {
      first += count;
      return { z, x, y, first: first - count, count };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sorter[Symbol.asyncDispose]();
  }
}
