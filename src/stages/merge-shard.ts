import {
  type ColumnValues,
  freeColumn,
  type ParquetReadOptions,
  parquetInfo,
  pickRows,
  readParquetColumns,
  stringBytes,
  stringsOf,
} from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSource, withSource } from '../storage/index.ts';
import { checkedStream, StretchReader } from './checked-stream.ts';
import { HARVEST_COLUMNS, type HarvestColumn, isNsfw } from './harvested.ts';
import type { ReleasedImages } from './released-images.ts';
import type { ReleasedTable } from './released-table.ts';
import type { ColumnsByName } from './sample-json.ts';
import type { StageContext } from './stage.ts';
import type { TakenRows } from './taken-rows.ts';

/**
 * Writes metadata and images of the rows that are taken from a shard. Its files are read once, in order; a row group of
 * metadata and a chunk of images are in memory.
 *
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function mergeShard(
  shard: TakenRows,
  table: ReleasedTable,
  tar: ReleasedImages,
  ctx: StageContext,
): Promise<void> {
  const { storage } = ctx;
  const { rows: path, images: imagesPath } = shard.files;
  for await (const _ of checkedStream(storage, path, shard.sha256.get(path))) ctx.signal.throwIfAborted();
  const images = new StretchReader(
    checkedStream(storage, imagesPath, shard.sha256.get(imagesPath)),
    `${storage.location}/${imagesPath}`,
  );
  try {
    await withSource(storage, path, async (source) => {
      const info = await parquetInfo(source, path);
      for (const [group, { rowStart, rows }] of info.rowGroups.entries()) {
        ctx.signal.throwIfAborted();
        const taken = within(shard, rowStart, rowStart + rows);
        if (taken.rows.length === 0) continue;
        const columns = await readColumns(source, group, { info, name: path }, taken.rows);
        checkNsfw(columns.nsfw, `${storage.location}/${path}`);
        await table.add(columns, taken.sampleIds);
        await tar.add(columns, taken.sampleIds, images);
        for (const values of Object.values(columns)) freeColumn(values);
        ctx.progress(taken.rows.length);
      }
    });
    await images.finish();
  } finally {
    await images.close();
  }
}

/** Rows [start, end) of a shard that are taken, counted from `start`. */
function within({ rows, places, firstRow }: TakenRows, start: number, end: number) {
  const from = lowerBound(rows, start);
  const to = lowerBound(rows, end);
  return {
    rows: rows.subarray(from, to).map((row) => row - start),
    sampleIds: BigInt64Array.from(places.subarray(from, to), (place) => BigInt(firstRow + place)),
  };
}

/** Number of the values below one, in ascending ones. */
function lowerBound(values: Uint32Array, value: number): number {
  let [from, to] = [0, values.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((values[middle] ?? 0) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

async function readColumns(
  source: ByteSource,
  group: number,
  options: ParquetReadOptions,
  rows: Uint32Array,
): Promise<ColumnsByName<HarvestColumn>> {
  const columns: Partial<Record<HarvestColumn, ColumnValues>> = {};
  let c = 0;
  for await (const values of readParquetColumns(source, HARVEST_COLUMNS, group, options)) {
    const column = HARVEST_COLUMNS[c++];
    if (column) columns[column.name] = pickRows(values, rows);
  }
  return columns as ColumnsByName<HarvestColumn>;
}

function checkNsfw(values: ColumnValues, path: string): void {
  const { strings } = stringsOf(values);
  for (let i = 0; i + 1 < strings.offsets.length; i++) {
    const value = Buffer.from(stringBytes(strings, i) ?? []).toString();
    if (!isNsfw(value)) throw new GleanerError('DAMAGED', { path, problem: `'${value}' is no NSFW class.` });
  }
}
