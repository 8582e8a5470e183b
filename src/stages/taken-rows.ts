import { parquetInfo, readParquetRows } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type Storage, withSource } from '../storage/index.ts';
import type { HarvestFiles } from './harvested.ts';

/** A harvested shard and its place: the first row of it that the release numbers is row `firstRow` of the release. */
export interface ShardInRelease {
  readonly firstRow: number;
  /** Rows that the release numbers: those of the shard but what is left out. */
  readonly rows: number;
  readonly files: HarvestFiles;
  /**
   * Path of a Parquet file with a column `row` (int32, ascending): rows of the shard, counted from 0, that the release
   * neither takes nor numbers. @default none
   */
  readonly leftOut?: string;
  /** Of the files, by path, as their manifest has it. Without it damage is found only where it shows. */
  readonly sha256?: ReadonlyMap<string, string>;
}

/** Rows of a shard that a part of the release takes. */
export interface TakenRows {
  readonly files: HarvestFiles;
  readonly sha256: ReadonlyMap<string, string>;
  /** Rows of the shard, taken or not. */
  readonly all: number;
  /** Their numbers in the shard's files, ascending. */
  readonly rows: Uint32Array;
  /** What to add to `firstRow` for the SAMPLE_ID of each. */
  readonly places: Uint32Array;
  readonly firstRow: number;
  /** Rows that are numbered and not taken, since they were taken down. */
  readonly removed: number;
}

const LEFT_OUT_COLUMNS = [{ name: 'row', type: 'int32' }] as const;
const UID_COLUMNS = [{ name: 'uid', type: 'string' }] as const;

/**
 * Which rows of a shard stand in rows [start, end) of the release, and under which numbers.
 *
 * Rows that are left out have no number; rows whose uid is among `removed` keep theirs, so that the numbers of all
 * others stay. Memory: 8 bytes a row of the shard.
 *
 * @throws GleanerError DAMAGED where the shard does not have the rows that the plan counts on
 */
export async function takenRows(
  storage: Storage,
  shard: ShardInRelease,
  range: { readonly start: number; readonly end: number },
  removed: ReadonlySet<string>,
): Promise<TakenRows> {
  const { files, firstRow, sha256 = new Map() } = shard;
  const leftOut = shard.leftOut === undefined ? [] : await readLeftOut(storage, shard.leftOut);
  const there = shard.rows + leftOut.length;
  const from = Math.max(0, range.start - firstRow);
  const to = Math.min(shard.rows, range.end - firstRow);
  return withSource(storage, files.rows, async (source) => {
    const info = await parquetInfo(source, files.rows);
    if (info.rows !== there) throw damaged(storage, files.rows, `has ${info.rows} rows, not ${there}`);
    const rows = new Uint32Array(to - from);
    for (let row = 0, place = 0, next = 0; place < to && row < there; row++) {
      if (leftOut[next] === row) {
        next++;
        continue;
      }
      if (place >= from) rows[place - from] = row;
      place++;
    }
    const places = Uint32Array.from(rows, (_, i) => from + i);
    const taken = { files, sha256, firstRow, all: there };
    if (removed.size === 0 || rows.length === 0) return { ...taken, rows, places, removed: 0 };
    const gone = new Set<number>();
    let row = 0;
    for await (const { uid } of readParquetRows(source, UID_COLUMNS, { name: files.rows, info })) {
      if (removed.has(uid)) gone.add(row);
      row++;
    }
    const stays = (_: number, i: number) => !gone.has(rows[i] ?? 0);
    const left = rows.filter(stays);
    return { ...taken, rows: left, places: places.filter(stays), removed: rows.length - left.length };
  });
}

async function readLeftOut(storage: Storage, path: string): Promise<readonly number[]> {
  return withSource(storage, path, async (source) => {
    const rows: number[] = [];
    for await (const { row } of readParquetRows(source, LEFT_OUT_COLUMNS, { name: path })) {
      if (row <= (rows.at(-1) ?? -1)) throw damaged(storage, path, `row ${row} is out of order`);
      rows.push(row);
    }
    return rows;
  });
}

/** Runs of rows that follow one another, as [start, end). */
export function* runsOf(rows: Uint32Array): Generator<readonly [number, number], void, undefined> {
  for (let i = 0; i < rows.length; ) {
    const start = rows[i] ?? 0;
    let end = start + 1;
    while (rows[++i] === end) end++;
    yield [start, end];
  }
}

function damaged(storage: Storage, path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path: `${storage.location}/${path}`, problem: `${problem}.` });
}
