import { loadRecipe } from '../../src/config/index.ts';
import { createParquetWriter } from '../../src/formats/index.ts';
import type { Nsfw } from '../../src/schema/index.ts';
import { collectStatistics } from '../../src/stages/report/index.ts';
import { DROPPED_COLUMNS, droppedRecord } from '../../src/stages/tables.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { droppedRow } from '../report/small-release.ts';
import { type Sample, samples, writeRelease } from '../service/small-release.ts';

/** Cosines of pairs that the threshold dropped. */
const DROPPED = [0.29, 0.28, 0.285, 0.21, 0.1];

/**
 * 75 pairs with pictures, their similarities in 20 steps of 0.01 from 0.305 on; of ten, the first is NSFW and the sixth UNSURE,
 * and of 25, the fourth is tagged. Texts of the first ones are hostile.
 */
export async function reviewSamples(): Promise<Sample[]> {
  return (await samples()).map((sample, id) => {
    const nsfw: Nsfw = id % 10 === 0 ? 'NSFW' : id % 10 === 5 ? 'UNSURE' : 'UNLIKELY';
    const similarity = 0.305 + (id % 20) / 100;
    return { ...sample, row: { ...sample.row, nsfw, similarity, tags: id % 25 === 3 ? 'violence' : '' } };
  });
}

/** Writes a release as a run with the recipe laion400m leaves it, with its trail and its statistics. */
export async function writeReviewRelease(dir: string, all: readonly Sample[]): Promise<void> {
  await writeRelease(dir, all);
  const storage = fileStorage(dir);
  const trail = await storage.create('release/dropped/all.parquet');
  const table = createParquetWriter(trail, DROPPED_COLUMNS);
  await table.writeRowGroup(DROPPED.map((cosine) => droppedRecord(droppedRow('similarity', '', cosine))));
  await table.finish();
  await trail.commit();
  const n = all.length;
  const before = { in: n + DROPPED.length, out: n + DROPPED.length, dropped: {} };
  const stats = await collectStatistics(storage, {
    gleaner: '1.2.3',
    recipe: loadRecipe('laion400m'),
    model: { name: 'shapes', dimension: 9, files: { 'shapes.ts': 'a'.repeat(64) } },
    ledgers: {
      ...{ record: before, link: before, pair: before, unique: before, fetched: before, image: before },
      matched: { in: before.in, out: n, dropped: { similarity: DROPPED.length } },
      safe: { in: n, out: n, dropped: {} },
    },
  });
  await storage.put('release/stats.json', JSON.stringify(stats));
}
