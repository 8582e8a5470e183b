import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Storage } from '../../storage/index.ts';
import { MAP_FILES, NOBODY, POINT_BYTES, readMapInfo, UNSAFE_FLAG } from './map-files.ts';

/** Points that are read at once. */
const BLOCK = 65_536;

/**
 * Takes rows off the map of an index: their records become zeros, and counts and pictures of regions are those of the
 * rows that stay. Reads all points once; done again, it changes nothing. Names of regions stay: their words are those of
 * several captions each.
 *
 * @param ids of all rows that are gone
 */
export async function removeFromMap(dir: string, storage: Storage, ids: readonly number[]): Promise<void> {
  const info = await readMapInfo(storage);
  if (!info) return;
  const gone = new Set(ids);
  const counts = info.regions.map(() => ({ rows: 0, unsafe: 0 }));
  let rows = 0;
  const file = await open(join(dir, MAP_FILES.points), 'r+');
  try {
    const block = Buffer.alloc(BLOCK * POINT_BYTES);
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(block, 0, block.length, position);
      const whole = bytesRead - (bytesRead % POINT_BYTES);
      if (whole === 0) break;
      for (let at = 0; at < whole; at += POINT_BYTES) {
        const id = block.readUInt32LE(at);
        if (id === NOBODY) continue;
        if (gone.has(id)) {
          const nobody = Buffer.alloc(POINT_BYTES);
          nobody.writeUInt32LE(NOBODY);
          await file.write(nobody, 0, POINT_BYTES, position + at);
          continue;
        }
        rows++;
        const unsafe = ((block[at + 11] ?? 0) & UNSAFE_FLAG) !== 0;
        for (let r = block[at + 8] ?? 0; ; ) {
          const [count, region] = [counts[r], info.regions[r]];
          if (!count || !region) break;
          count.rows++;
          if (unsafe) count.unsafe++;
          r = region.parent;
        }
      }
      position += whole;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  const regions = info.regions.map((region, i) => ({
    ...region,
    ...counts[i],
    picture: region.picture !== null && gone.has(region.picture) ? null : region.picture,
  }));
  await storage.put(MAP_FILES.info, `${JSON.stringify({ ...info, rows, regions })}\n`);
}
