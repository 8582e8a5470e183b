import type { FileInfo } from '../storage/index.ts';
import { mergeEmbeddings } from './merge-embeddings.ts';
import { mergeShard } from './merge-shard.ts';
import { releaseFiles } from './released.ts';
import { ReleasedImages } from './released-images.ts';
import { ReleasedTable } from './released-table.ts';
import type { StageContext, StageResult } from './stage.ts';
import { type ShardInRelease, type TakenRows, takenRows } from './taken-rows.ts';
import { type NamesKnown, writeUnnamed } from './unnamed-trail.ts';
import { writeFile, writeFiles } from './write-file.ts';

/** One part of the release: rows [rowStart, rowEnd), out of the shards that hold them. */
export interface ReleaseTask {
  readonly index: number;
  readonly parts: number;
  readonly rowStart: number;
  readonly rowEnd: number;
  /** Width of the embeddings. */
  readonly dimension: number;
  readonly shards: readonly ShardInRelease[];
  /** uids of rows that were taken down: their numbers stay empty, so that those of all others stay. @default none */
  readonly removed?: ReadonlySet<string>;
}

/**
 * Writes one part of the release: metadata, both embeddings and images, row for row. Harvested shards follow one
 * another in the order of uids, which are hashes: so their concatenation is the shuffled release, and SAMPLE_ID is
 * the place in it. Streams; memory does not depend on the number of rows. Facts: rows (written), removed.
 */
export async function release(task: ReleaseTask, ctx: StageContext): Promise<StageResult> {
  const files = releaseFiles(task.index, task.parts);
  const range = { start: task.rowStart, end: task.rowEnd };
  const taken: TakenRows[] = [];
  for (const shard of task.shards)
    taken.push(await takenRows(ctx.storage, shard, range, task.removed ?? new Set()));
  const rows = taken.reduce((sum, { rows }) => sum + rows.length, 0);
  const removed = taken.reduce((sum, shard) => sum + shard.removed, 0);
  if (rows + removed !== task.rowEnd - task.rowStart)
    throw new Error(`part ${task.index} has ${rows + removed} rows, not ${task.rowEnd - task.rowStart}`);

  const paths = [files.metadata, files.images, files.imageEmbeddings, files.textEmbeddings];
  const written = await writeFiles(ctx.storage, paths, async ([metadata, images, ofImages, ofTexts]) => {
    if (!metadata || !images || !ofImages || !ofTexts) throw new Error('a sink for each file');
    const table = new ReleasedTable(metadata);
    const tar = new ReleasedImages(images);
    for (const shard of taken) await mergeShard(shard, table, tar, ctx);
    await tar.finish();
    const count = await table.finish();
    if (count !== rows) throw new Error(`part ${task.index} has ${count} rows, not ${rows}`);
    const { dimension } = task;
    await mergeEmbeddings(ofImages, dimension, taken, (shard) => shard.imageEmbeddings, ctx);
    await mergeEmbeddings(ofTexts, dimension, taken, (shard) => shard.textEmbeddings, ctx);
  });
  return { files: written, ledgers: {}, facts: { rows, removed } };
}

/**
 * The dropped trail: what each stage dropped, side by side under release/dropped, byte for byte as it was written, but
 * for what names known content.
 * @param isKnown where the recipe has lists of known content
 */
export async function releaseTrail(
  dropped: readonly FileInfo[],
  ctx: StageContext,
  isKnown?: NamesKnown,
): Promise<StageResult> {
  const files: FileInfo[] = [];
  for (const { path } of dropped) {
    const unnamed = isKnown && (await writeUnnamed(ctx.storage, path, trailFile(path), isKnown));
    files.push(
      unnamed ??
        (await writeFile(ctx.storage, trailFile(path), async (sink) => {
          for await (const chunk of ctx.storage.stream(path)) await sink.write(chunk);
        })),
    );
    ctx.progress(1);
  }
  return { files, ledgers: {} };
}

/**
 * The released name of a trail file: dropped/extract/00000.parquet becomes extract_00000.parquet, and
 * harvest/00003-ATTEMPT/dropped.parquet becomes harvest_00003.parquet.
 */
function trailFile(path: string): string {
  const [, stage, number] =
    /^(?:dropped\/)?(\w+)\/(\d+)(?:\.parquet|-\w+\/dropped\.parquet)$/.exec(path) ?? [];
  if (!stage || !number) throw new Error(`${path} is no trail file`);
  return `release/dropped/${stage}_${number}.parquet`;
}
