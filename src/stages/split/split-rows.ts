import { hash } from 'node:crypto';
import {
  type Column,
  type ColumnValues,
  freeColumn,
  type ParquetInfo,
  parquetInfo,
  readParquetColumns,
  stringBytes,
} from '../../formats/index.ts';
import { viewOf } from '../../formats/parquet-values.ts';
import { RowSet } from '../../knn/row-set.ts';
import { GleanerError } from '../../schema/index.ts';
import type { ByteSource } from '../../storage/index.ts';

const COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'uid', type: 'string' },
  { name: 'split', type: 'string' },
] as const satisfies readonly Column[];

/** SAMPLE_IDs that are believed: as many places take a tenth of that in gigabytes. */
const MAX_ID = 2e9;
/** Hexadecimal digits of a uid that are held: 32 bits. */
const UID_DIGITS = 8;

/**
 * The rows of one split, by SAMPLE_ID, with the beginning of each row's uid, so that the split of another release is not taken
 * for this one's. 4 bytes and a quarter for each id up to the last.
 */
export class SplitRows {
  readonly #path: string;
  readonly #known: RowSet;
  readonly #taken: RowSet;
  readonly #uids: Uint32Array;

  private constructor(path: string, places: number) {
    this.#path = path;
    this.#known = new RowSet(places);
    this.#taken = new RowSet(places);
    this.#uids = new Uint32Array(places);
  }

  /**
   * Reads a split.parquet.
   * @param path for messages
   * @param name of the split
   * @throws GleanerError DAMAGED; SPLIT_EMPTY where no row is of that split
   */
  static async read(source: ByteSource, path: string, name: string): Promise<SplitRows> {
    const info = await parquetInfo(source, path);
    const rows = new SplitRows(path, (await lastId(source, path, info)) + 1);
    const names = new Set<string>();
    for (const group of info.rowGroups.keys()) {
      const [ids, uids, splits] = await columnsOf(source, path, info, group, COLUMNS);
      for (const [row, id] of idsOf(ids, path).entries()) {
        if (!(id < rows.#uids.length) || rows.#known.has(id))
          throw damaged(path, `SAMPLE_ID ${id} stands where it cannot`);
        const split = textAt(splits, row);
        names.add(split);
        rows.#known.add(id);
        rows.#uids[id] = Number.parseInt(textAt(uids, row).slice(0, UID_DIGITS), 16);
        if (split === name) rows.#taken.add(id);
      }
      for (const values of [ids, uids, splits]) if (values) freeColumn(values);
    }
    if (names.has(name)) return rows;
    const problem = `no row is of it; there ${names.size === 1 ? 'is' : 'are'} ${[...names].join(', ') || 'none'}`;
    throw new GleanerError('SPLIT_EMPTY', { path, split: name, problem });
  }

  /** Names the rows that are of the split: 16 hexadecimal digits. */
  get digest(): string {
    return hash('sha256', new Uint8Array(this.#taken.words)).slice(0, 16);
  }

  /**
   * Whether a row of the release is of the split.
   * @param uid of the row, where it is known
   * @throws GleanerError DAMAGED where the split is not of the release that has this row
   */
  has(id: number, uid?: string): boolean {
    const same = uid === undefined || Number.parseInt(uid.slice(0, UID_DIGITS), 16) === this.#uids[id];
    if (this.#known.has(id) && same) return this.#taken.has(id);
    throw damaged(
      this.#path,
      `is the split of another release: it has no row ${id}${uid ? ` with uid ${uid}` : ''}. Make it anew with 'gleaner split'`,
    );
  }
}

async function lastId(source: ByteSource, path: string, info: ParquetInfo): Promise<number> {
  const last = info.rowGroups.length - 1;
  if (last < 0) return -1;
  const [ids] = await columnsOf(source, path, info, last, COLUMNS.slice(0, 1));
  const id = idsOf(ids, path).reduce((most, one) => Math.max(most, one), -1);
  if (id <= MAX_ID) return id;
  throw damaged(path, `SAMPLE_ID ${id} is too large`);
}

async function columnsOf(
  source: ByteSource,
  path: string,
  info: ParquetInfo,
  group: number,
  columns: readonly Column[],
): Promise<readonly ColumnValues[]> {
  return Array.fromAsync(readParquetColumns(source, columns, group, { name: path, info }));
}

function idsOf(values: ColumnValues | undefined, path: string): readonly number[] {
  if (values?.kind !== 'fixed' || values.width !== 8) throw damaged(path, "column 'SAMPLE_ID' is no int64");
  const view = viewOf(values);
  return Array.from({ length: values.bytes.length / 8 }, (_, row) => Number(view.getBigInt64(8 * row, true)));
}

const textAt = (values: ColumnValues | undefined, row: number) =>
  values ? Buffer.from(stringBytes(values, row) ?? []).toString() : '';

function damaged(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem: `${problem}.` });
}
