import {
  boundsOf,
  type Column,
  createParquetWriter,
  freeColumn,
  parquetInfo,
  plainStrings,
  readParquetColumns,
} from '../../formats/index.ts';
import { type ByteSink, type Storage, withSource } from '../../storage/index.ts';

/** The files of a split, beside the release that it is of. */
export const SPLIT_FILE = 'split/split.parquet';
export const SPLIT_SUMMARY_FILE = 'split/split.json';

/** Columns of split.parquet, a row a row of the release, in its order. */
const SPLIT_COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'uid', type: 'string' },
  { name: 'key', type: 'string' },
  { name: 'group', type: 'int64' },
  { name: 'split', type: 'string' },
] as const satisfies readonly Column[];

/** What is taken over from the metadata. */
const TAKEN = SPLIT_COLUMNS.slice(0, 3);

export interface DealtRows {
  readonly groupOf: Uint32Array;
  /** Of each group the number of its split. */
  readonly splitOf: Uint8Array;
  /** Names of the splits. */
  readonly names: readonly string[];
}

/** Writes split.parquet. Holds one row group. @param paths metadata files of the release, in its order */
export async function writeSplitTable(
  sink: ByteSink,
  storage: Storage,
  paths: readonly string[],
  { groupOf, splitOf, names }: DealtRows,
  signal: AbortSignal,
): Promise<void> {
  const writer = createParquetWriter(sink, SPLIT_COLUMNS);
  const dictionary = plainStrings(names);
  let firstRow = 0;
  for (const path of paths)
    await withSource(storage, path, async (source) => {
      const info = await parquetInfo(source, path);
      for (const [group, { rows }] of info.rowGroups.entries()) {
        signal.throwIfAborted();
        const taken = await Array.fromAsync(
          readParquetColumns(source, TAKEN, group, { name: path, info }),
          (values) => (values.kind === 'fixed' ? { values, statistics: boundsOf(values, 'int64') } : values),
        );
        const groups = groupOf.subarray(firstRow, firstRow + rows);
        const numbers = new Uint8Array(BigInt64Array.from(groups, BigInt).buffer);
        const indices = Uint32Array.from(groups, (one) => splitOf[one] ?? 0);
        await writer.writeColumns([
          ...taken,
          { kind: 'fixed', width: 8, bytes: numbers },
          { kind: 'dictionary', dictionary, indices },
        ]);
        for (const column of taken) freeColumn('values' in column ? column.values : column);
        firstRow += rows;
      }
    });
  await writer.finish();
}
