import { parquetRead } from 'hyparquet';
import { GleanerError } from '../schema/index.ts';
import type { ByteSource } from '../storage/index.ts';
import { type ParquetReadOptions, parquetInfo, readParquetColumns } from './parquet.ts';
import { pageCompressors } from './parquet-codec.ts';
import { type ColumnValues, freeColumn, viewOf } from './parquet-values.ts';

/**
 * A column of numbers of one row group, to be counted: no row objects are made.
 *
 * @param column name of a column of int32, float or double
 * @returns a number for each row; NaN where there is none
 * @throws GleanerError DAMAGED where there is no such column, or it holds something else
 */
export async function readParquetNumbers(
  source: ByteSource,
  column: string,
  rowGroup: number,
  options: ParquetReadOptions = {},
): Promise<Float64Array> {
  const { name = 'Parquet file' } = options;
  const info = options.info ?? (await parquetInfo(source, name));
  const have = info.columns.find((candidate) => candidate.name === column);
  const group = info.rowGroups[rowGroup];
  const damaged = (problem: string, cause?: unknown) =>
    new GleanerError('DAMAGED', { path: name, problem }, cause === undefined ? {} : { cause });
  if (!have || !group) throw damaged(have ? `has no row group ${rowGroup}` : `has no column '${column}'`);
  const { type } = have;
  if (type !== 'int32' && type !== 'float' && type !== 'double')
    throw damaged(`column '${column}' holds values that are not numbers`);
  const numbers = new Float64Array(group.rows);
  if (!have.nullable) {
    const columns = readParquetColumns(source, [{ name: column, type }], rowGroup, { name, info });
    for await (const values of columns) {
      copyFixed(values, type, numbers);
      freeColumn(values);
    }
    return numbers;
  }
  let filled = 0;
  try {
    await parquetRead({
      file: source,
      metadata: info.metadata,
      columns: [column],
      rowStart: group.rowStart,
      rowEnd: group.rowStart + group.rows,
      compressors: pageCompressors,
      onChunk({ columnData, rowStart }) {
        const at = rowStart - group.rowStart;
        for (let i = 0; i < columnData.length; i++) {
          const value: unknown = columnData[i];
          numbers[at + i] = typeof value === 'number' ? value : Number.NaN;
        }
        filled += columnData.length;
      },
    });
  } catch (cause) {
    throw damaged(`column '${column}' of row group ${rowGroup} cannot be read`, cause);
  }
  if (filled !== group.rows) throw damaged(`row group ${rowGroup} is not whole`);
  return numbers;
}

function copyFixed(values: ColumnValues, type: 'int32' | 'float' | 'double', to: Float64Array): void {
  if (values.kind !== 'fixed') throw new Error(`numbers were expected, not ${values.kind} values`);
  const view = viewOf(values);
  if (type === 'double') for (let i = 0; i < to.length; i++) to[i] = view.getFloat64(8 * i, true);
  else if (type === 'float') for (let i = 0; i < to.length; i++) to[i] = view.getFloat32(4 * i, true);
  else for (let i = 0; i < to.length; i++) to[i] = view.getInt32(4 * i, true);
}
