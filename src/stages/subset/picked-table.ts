import {
  boundsOf,
  type Column,
  ColumnBuffer,
  type ColumnValues,
  createParquetWriter,
  freeColumn,
  parquetInfo,
  pickRows,
  plainDigits,
  readParquetColumns,
  stringBytes,
} from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type ByteSink, type Storage, withSource } from '../../storage/index.ts';
import { KEY_DIGITS } from '../released.ts';
import { columnsOf } from './draw.ts';

/** Rows of a row group: those of a release. */
const ROWS_PER_GROUP = 50_000;

/** Writes metadata out of rows of another's, column by column, without making rows of them. Holds one row group. */
export class PickedTable {
  readonly #columns: readonly { readonly column: Column; readonly buffer: ColumnBuffer }[];
  readonly #writer: ReturnType<typeof createParquetWriter>;
  #held = 0;

  /** @param columns of the parent's metadata */
  constructor(sink: ByteSink, columns: readonly Column[]) {
    this.#columns = columns.map((column) => ({ column, buffer: new ColumnBuffer() }));
    this.#writer = createParquetWriter(sink, columns, { codec: 'SNAPPY' });
  }

  /**
   * Adds rows of a metadata file.
   * @param rows their numbers in it, ascending
   * @param firstId SAMPLE_ID of the first of them here; the others follow
   * @returns the keys that they have there
   * @throws GleanerError DAMAGED
   */
  async add(
    storage: Storage,
    path: string,
    rows: Uint32Array,
    firstId: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const keys: string[] = [];
    await withSource(storage, path, async (source) => {
      const info = await parquetInfo(source, path);
      for (const [group, { rowStart, rows: count }] of info.rowGroups.entries()) {
        const from = keys.length;
        let to = from;
        while (to < rows.length && (rows[to] ?? 0) < rowStart + count) to++;
        if (from === to) continue;
        signal.throwIfAborted();
        const picks = rows.subarray(from, to).map((row) => row - rowStart);
        const ids = BigInt64Array.from(picks, (_, i) => BigInt(firstId + from + i));
        let c = 0;
        const columns = this.#columns.map(({ column }) => column);
        for await (const values of readParquetColumns(source, columns, group, { name: path, info })) {
          const { column, buffer } = this.#columns[c++] ?? {};
          if (column?.name === 'key') {
            const old = pickRows(values, picks);
            for (let i = 0; i < picks.length; i++)
              keys.push(Buffer.from(stringBytes(old, i) ?? []).toString());
            buffer?.append(plainDigits(ids, KEY_DIGITS));
          } else if (column?.name === 'SAMPLE_ID')
            buffer?.append({ kind: 'fixed', width: 8, bytes: new Uint8Array(ids.buffer) });
          else buffer?.append(pickRows(values, picks));
          freeColumn(values);
        }
        this.#held += picks.length;
        if (this.#held >= ROWS_PER_GROUP) await this.#flush();
      }
    });
    if (keys.length === rows.length) return keys;
    throw new GleanerError('DAMAGED', { path, problem: 'has become shorter since its rows were selected.' });
  }

  async finish(): Promise<void> {
    await this.#flush();
    await this.#writer.finish();
  }

  async #flush(): Promise<void> {
    if (this.#held === 0) return;
    const values = this.#columns.map(({ column, buffer }) => encoded(buffer.values(), column));
    await this.#writer.writeColumns(values);
    for (const { buffer } of this.#columns) buffer.clear();
    this.#held = 0;
  }
}

function encoded(values: ColumnValues, { type }: Column) {
  return values.kind === 'fixed' ? { values, statistics: boundsOf(values, type) } : { values };
}

/** All columns of a metadata file. @throws GleanerError DAMAGED where one cannot be copied */
export function allColumns(storage: Storage, path: string): Promise<Column[]> {
  return withSource(storage, path, async (source) => {
    const info = await parquetInfo(source, path);
    const names = info.columns.map(({ name }) => name);
    const columns = columnsOf(path, info, names);
    const nullable = columns.find((column) => column.nullable);
    if (!nullable) return columns;
    throw new GleanerError('DAMAGED', {
      path,
      problem: `its column '${nullable.name}' may be null, as none of a release is.`,
    });
  });
}
