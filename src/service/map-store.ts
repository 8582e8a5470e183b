import {
  MAP_FILES,
  type MapInfo,
  NOBODY,
  POINT_BYTES,
  readMapInfo,
  UNSAFE_FLAG,
} from '../stages/map/map-files.ts';
import type { OpenSource, Storage } from '../storage/index.ts';

/** The map of an index: one read a tile, nothing of the points is kept in memory. */
export class MapStore {
  readonly info: MapInfo;
  readonly #points: OpenSource;
  readonly #tiles: ReadonlyMap<string, MapInfo['tiles'][number]>;

  private constructor(info: MapInfo, points: OpenSource) {
    this.info = info;
    this.#points = points;
    this.#tiles = new Map(info.tiles.map((tile) => [`${tile.z}/${tile.x}/${tile.y}`, tile]));
  }

  /** @returns undefined where the index was made without a map @throws GleanerError DAMAGED */
  static async open(storage: Storage): Promise<MapStore | undefined> {
    const info = await readMapInfo(storage);
    return info && new MapStore(info, await storage.open(MAP_FILES.points));
  }

  /**
   * The points of a tile, as map-files.ts has them.
   *
   * @param name depth and place, as '2/1/3'
   * @param unsafe whether rows that are not UNLIKELY are among them
   * @param isGone whether a SAMPLE_ID was taken down
   * @returns undefined where there is no such tile
   */
  async tile(
    name: string,
    unsafe: boolean,
    isGone: (id: number) => boolean,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const tile = this.#tiles.get(name);
    if (!tile) return undefined;
    const from = tile.first * POINT_BYTES;
    const bytes = new Uint8Array(await this.#points.slice(from, from + tile.count * POINT_BYTES));
    const view = new DataView(bytes.buffer);
    let end = 0;
    for (let at = 0; at + POINT_BYTES <= bytes.length; at += POINT_BYTES) {
      const id = view.getUint32(at, true);
      if (id === NOBODY || isGone(id)) continue;
      if (!unsafe && (view.getUint8(at + 11) & UNSAFE_FLAG) !== 0) continue;
      bytes.copyWithin(end, at, at + POINT_BYTES);
      end += POINT_BYTES;
    }
    return bytes.subarray(0, end);
  }

  async close(): Promise<void> {
    await this.#points.close();
  }
}
