import {
  createNpyWriter,
  createParquetWriter,
  createTarWriter,
  npyInfo,
  readNpyRows,
} from '../formats/index.ts';
import type { Row } from '../schema/index.ts';
import { type ByteSink, type FileInfo, type Storage, withSource } from '../storage/index.ts';
import { readHarvested } from './harvested.ts';
import { RELEASE_COLUMNS, releaseFiles, releaseRecord, sampleJson } from './released.ts';
import type { StageContext, StageResult } from './stage.ts';
import { runsOf, type ShardInRelease, type TakenRows, takenRows } from './taken-rows.ts';
import { type NamesKnown, writeUnnamed } from './unnamed-trail.ts';
import { writeFile, writeFiles } from './write-file.ts';

/** Rows of a row group of the metadata: enough to compress well, few enough to hold. */
const ROWS_PER_GROUP = 50_000;
/** Embeddings moved at once. */
const ROWS_PER_COPY = 4096;
/** Digits of a key: room for every row that a release can have. */
const KEY_DIGITS = 12;

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

  const written = await writeFiles(
    ctx.storage,
    [files.metadata, files.images],
    async ([metadata, images]) => {
      const table = createParquetWriter(metadata as ByteSink, RELEASE_COLUMNS, { codec: 'SNAPPY' });
      const tar = createTarWriter(images as ByteSink);
      let group: Row[] = [];
      for (const shard of taken) {
        let i = 0;
        for await (const { row, image } of readHarvested(ctx.storage, shard.files, shard.rows)) {
          ctx.signal.throwIfAborted();
          const sampleId = shard.firstRow + (shard.places[i++] ?? 0);
          const key = String(sampleId).padStart(KEY_DIGITS, '0');
          const released: Row = { ...row, sampleId: BigInt(sampleId), key };
          await tar.add(`${key}.jpg`, image);
          await tar.add(`${key}.json`, new TextEncoder().encode(sampleJson(released)));
          await tar.add(`${key}.txt`, new TextEncoder().encode(row.text));
          group.push(released);
          if (group.length === ROWS_PER_GROUP) {
            await table.writeRowGroup(group.map(releaseRecord));
            group = [];
          }
          ctx.progress(1);
        }
      }
      await table.writeRowGroup(group.map(releaseRecord));
      await table.finish();
      await tar.finish();
      if (table.rows !== rows) throw new Error(`part ${task.index} has ${table.rows} rows, not ${rows}`);
    },
  );
  for (const kind of ['imageEmbeddings', 'textEmbeddings'] as const)
    written.push(
      await concatenate(
        ctx.storage,
        files[kind],
        { rows, columns: task.dimension },
        taken.map((shard) => ({ path: shard.files[kind], rows: shard.rows })),
      ),
    );
  return { files: written, ledgers: {}, facts: { rows, removed } };
}

interface MatrixSlice {
  readonly path: string;
  readonly rows: Uint32Array;
}

async function concatenate(
  storage: Storage,
  path: string,
  shape: { readonly rows: number; readonly columns: number },
  slices: readonly MatrixSlice[],
): Promise<FileInfo> {
  return writeFile(storage, path, async (sink) => {
    const writer = await createNpyWriter(sink, { dtype: 'float16', ...shape });
    for (const slice of slices)
      await withSource(storage, slice.path, async (source) => {
        const info = await npyInfo(source, slice.path);
        for (const [start, end] of runsOf(slice.rows))
          for (let rowStart = start; rowStart < end; rowStart += ROWS_PER_COPY) {
            const rowEnd = Math.min(rowStart + ROWS_PER_COPY, end);
            await writer.writeRows(await readNpyRows(source, { rowStart, rowEnd, info }));
          }
      });
    await writer.finish();
  });
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
