import { type NpyInfo, npyHeader, npyInfo } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSink, withSource } from '../storage/index.ts';
import { checkedStream } from './checked-stream.ts';
import type { HarvestFiles } from './harvested.ts';
import type { StageContext } from './stage.ts';
import { runsOf, type TakenRows } from './taken-rows.ts';

/** Bytes of a float16. */
const ITEM_BYTES = 2;

/**
 * Writes one matrix of embeddings: the rows that are taken from each shard, copied as the bytes they are.
 *
 * @param dimension numbers a row
 * @throws GleanerError FILE_NOT_FOUND, and DAMAGED where a shard has another dimension, type or number of rows
 */
export async function mergeEmbeddings(
  sink: ByteSink,
  dimension: number,
  shards: readonly TakenRows[],
  pathOf: (files: HarvestFiles) => string,
  { storage, signal }: Pick<StageContext, 'storage' | 'signal'>,
): Promise<void> {
  const rows = shards.reduce((sum, shard) => sum + shard.rows.length, 0);
  await sink.write(npyHeader({ dtype: 'float16', rows, columns: dimension }));
  for (const { files, sha256, rows: taken, all } of shards) {
    const path = pathOf(files);
    const info = await withSource(storage, path, (source) => npyInfo(source, path));
    check(info, { rows: all, columns: dimension }, `${storage.location}/${path}`);
    const ranges = [...runsOf(taken)].map(([start, end]) => ({
      start: info.dataOffset + start * dimension * ITEM_BYTES,
      end: info.dataOffset + end * dimension * ITEM_BYTES,
    }));
    let next = 0;
    let at = 0;
    for await (const chunk of checkedStream(storage, path, sha256.get(path))) {
      signal.throwIfAborted();
      for (let range = ranges[next]; range && range.start < at + chunk.length; range = ranges[next]) {
        await sink.write(
          chunk.subarray(Math.max(0, range.start - at), Math.min(chunk.length, range.end - at)),
        );
        if (range.end > at + chunk.length) break;
        next++;
      }
      at += chunk.length;
    }
  }
}

function check(
  { dtype, rows, columns }: NpyInfo,
  expected: { readonly rows: number; readonly columns: number },
  path: string,
): void {
  const fail = (problem: string) => new GleanerError('DAMAGED', { path, problem });
  if (dtype !== 'float16') throw fail(`holds ${dtype}, not float16.`);
  if (columns !== expected.columns)
    throw fail(
      `has embeddings of ${columns} numbers, where the model of this run gives ${expected.columns}. Shards of two models do not go into one release.`,
    );
  if (rows !== expected.rows)
    throw fail(`has ${rows} rows, where rows.parquet beside it has ${expected.rows}.`);
}
