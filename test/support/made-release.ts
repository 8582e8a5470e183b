import { createParquetWriter } from '../../src/formats/index.ts';
import { harvestFiles } from '../../src/stages/harvested.ts';
import { type ReleaseTask, release } from '../../src/stages/release.ts';
import type { StageContext } from '../../src/stages/stage.ts';
import type { ShardInRelease } from '../../src/stages/taken-rows.ts';
import type { Storage } from '../../src/storage/index.ts';
import { writeMadeShard } from './made-shard.ts';

export const stageContext = (storage: Storage): StageContext => ({
  storage,
  signal: new AbortController().signal,
  progress: () => undefined,
});

/** The embeddings of made shards have so many numbers. */
export const DIMENSION = 3;

export interface MadeShard {
  readonly numbers: readonly number[];
  /** Rows, by their place in the shard. */
  readonly leftOut?: readonly number[];
}

/** Writes shards and plans them as the pipeline does. */
export async function planShards(
  storage: Storage,
  shards: readonly MadeShard[],
  group?: number,
): Promise<readonly ShardInRelease[]> {
  const out: ShardInRelease[] = [];
  let firstRow = 0;
  for (const [i, { numbers, leftOut }] of shards.entries()) {
    await writeMadeShard(storage, `harvest/${i}`, numbers, {
      dimension: DIMENSION,
      ...(group !== undefined && { group }),
    });
    const path = `near/${i}.parquet`;
    if (leftOut) await writeLeftOut(storage, path, leftOut);
    const rows = numbers.length - (leftOut?.length ?? 0);
    out.push({ firstRow, rows, files: harvestFiles(`harvest/${i}`), ...(leftOut && { leftOut: path }) });
    firstRow += rows;
  }
  return out;
}

export async function writeLeftOut(storage: Storage, path: string, rows: readonly number[]): Promise<void> {
  const file = await storage.create(path);
  const table = createParquetWriter(file, [
    { name: 'row', type: 'int32' },
    { name: 'uid', type: 'string' },
  ] as const);
  await table.writeRowGroup(rows.map((row) => ({ row, uid: `of ${row}` })));
  await table.finish();
  await file.commit();
}

/** Releases shards in parts. @returns what each part's stage said */
export async function releaseParts(
  storage: Storage,
  shards: readonly ShardInRelease[],
  parts: number,
  removed: ReadonlySet<string> = new Set(),
) {
  const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
  const results = [];
  for (let index = 0; index < parts; index++) {
    const [rowStart, rowEnd] = [Math.floor((index * rows) / parts), Math.floor(((index + 1) * rows) / parts)];
    const mine = shards.filter((s) => s.firstRow < rowEnd && s.firstRow + s.rows > rowStart);
    const task: ReleaseTask = { index, parts, rowStart, rowEnd, dimension: DIMENSION, shards: mine, removed };
    results.push(await release(task, stageContext(storage)));
  }
  return results;
}
