import { z } from 'zod';
import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';

/** What of DIR/index the map is. */
export const MAP_FILES = {
  /** Records of points, tile after tile: `POINT_BYTES` each. */
  points: 'index/map.bin',
  /** Tiles, regions and their names; written after the points. */
  info: 'index/map.json',
} as const;

/**
 * A point: uint32 SAMPLE_ID, uint16 x and y (0 to 65,535 over the map, y downwards), uint8 finest region, uint8 similarity
 * (-1 to 1 in steps of 2/255), uint8 language (its place in `languages`; `OTHER_LANGUAGE` for those behind), uint8 flags.
 */
export const POINT_BYTES = 12;
export const OTHER_LANGUAGE = 255;
/** In the flags: the row is not of the class UNLIKELY. */
export const UNSAFE_FLAG = 1;
/** In place of the SAMPLE_ID of a row that was taken down; the rest of its record is zeros. */
export const NOBODY = 0xffff_ffff;
/** Points of a tile at most: 192 KiB. */
export const TILE_POINTS = 16_384;

const tileSchema = z.object({
  /** Depth: a tile is 65,536 / 2^z wide, and x and y count such widths. */
  z: z.int().min(0),
  x: z.int().min(0),
  y: z.int().min(0),
  /** Where its first point is in the file, in points, and how many there are. */
  first: z.int().min(0),
  count: z.int().min(0),
});

const regionSchema = z.object({
  level: z.int().min(0),
  parent: z.int().min(-1),
  x: z.int(),
  y: z.int(),
  /** Words that tell it from the rest, best first; none where its captions have nothing in common. */
  words: z.array(z.string()),
  rows: z.int().min(0),
  /** Those of them that are shown only when asked for. */
  unsafe: z.int().min(0),
  /** SAMPLE_ID of a row in its middle that may be shown; null where there is none. */
  picture: z.int().min(0).nullable(),
});

const mapInfoSchema = z.object({
  version: z.literal(1),
  rows: z.int().min(0),
  landmarks: z.int().min(0),
  seed: z.int(),
  /** Of all similarities the least and the greatest. */
  similarity: z.object({ min: z.number(), max: z.number() }),
  languages: z.array(z.object({ value: z.string(), rows: z.int().min(0) })),
  /** Of each tile's points come those of the tiles round it: a view shows all depths down to its own. */
  tiles: z.array(tileSchema),
  /** How many of the first `regions` are of the finest level: what points name. */
  finest: z.int().min(0),
  regions: z.array(regionSchema),
});
/** DIR/index/map.json. */
export type MapInfo = Readonly<z.infer<typeof mapInfoSchema>>;

/** @returns undefined where the index has no map @throws GleanerError DAMAGED */
export async function readMapInfo(storage: Storage): Promise<MapInfo | undefined> {
  if ((await storage.size(MAP_FILES.info)) === undefined) return undefined;
  try {
    return mapInfoSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(MAP_FILES.info))));
  } catch (cause) {
    const problem = 'is not what gleaner writes. Make the index again with gleaner index.';
    throw new GleanerError('DAMAGED', { path: MAP_FILES.info, problem }, { cause });
  }
}
