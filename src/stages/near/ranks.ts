import {
  type Column,
  type ColumnValues,
  freeColumn,
  parquetInfo,
  readParquetColumns,
  stringBytes,
} from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { filled, RecordFile, RecordSorter, withSource } from '../../storage/index.ts';
import type { HarvestFiles } from '../harvested.ts';
import type { StageContext } from '../stage.ts';

/** A harvested shard: its rows are numbered on from those of the shards before. */
export interface NearShard {
  readonly files: HarvestFiles;
  readonly rows: number;
}

/** Words of a ranked row, and where each part of it begins: uid (4), number of the row (1), sha256 (8), hash of the picture (2). */
export const RANKED_WORDS = 15;
export const UID_AT = 0;
export const ROW_AT = 4;
export const DIGEST_AT = 5;
export const PICTURE_AT = 13;

/** The similarity, so that the greatest is the least, and the uid. */
const KEY_WORDS = 6;
/** What rows are numbered in: 32-bit words. */
const MAX_ROWS = 2 ** 32 - 1;

const COLUMNS = [
  { name: 'similarity', type: 'double' },
  { name: 'uid', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'phash', type: 'string' },
] as const satisfies readonly Column[];

/**
 * Brings the rows of all shards in the order of their rank: greatest similarity of image and text first, of equal ones the
 * least uid. That is an order of the rows themselves: how they are divided into shards, and which comes first, makes no
 * difference.
 *
 * @param folder for what lies on disk: 60 bytes a row, while it is sorted 128
 * @returns records of `RANKED_WORDS`: that of rank r is record r
 * @throws GleanerError DAMAGED
 */
export async function rankRows(
  shards: readonly NearShard[],
  folder: string,
  ctx: StageContext,
): Promise<RecordFile> {
  await using sorter = new RecordSorter(folder, { words: 2 + RANKED_WORDS, keyWords: KEY_WORDS });
  let firstRow = 0;
  for (const { files, rows } of shards) {
    ctx.signal.throwIfAborted();
    const records = await readRows(ctx, files.rows, firstRow);
    if (records.length !== rows * (2 + RANKED_WORDS))
      throw damaged(ctx, files.rows, `has ${records.length / (2 + RANKED_WORDS)} rows, not ${rows}`);
    await sorter.add(records);
    firstRow += rows;
    if (firstRow > MAX_ROWS) throw damaged(ctx, files.rows, `is beyond row ${MAX_ROWS}, which are too many`);
    ctx.progress(rows);
  }
  return filled(new RecordFile(folder, RANKED_WORDS), async (ranked) => {
    for await (const block of sorter.sorted()) {
      const rows = block.length / (2 + RANKED_WORDS);
      const records = new Uint32Array(rows * RANKED_WORDS);
      for (let row = 0; row < rows; row++)
        for (let w = 0; w < RANKED_WORDS; w++)
          records[row * RANKED_WORDS + w] = block[row * (2 + RANKED_WORDS) + 2 + w] ?? 0;
      await ranked.append(records);
    }
  });
}

/** Rows of a shard, as they are sorted. */
async function readRows(ctx: StageContext, path: string, firstRow: number): Promise<Uint32Array> {
  return withSource(ctx.storage, path, async (source) => {
    const info = await parquetInfo(source, path);
    const width = 2 + RANKED_WORDS;
    const records = new Uint32Array(info.rows * width);
    const fail = (row: number, name: string) =>
      damaged(ctx, path, `column '${name}' of row ${row} cannot be read`);
    for (const [g, { rowStart, rows }] of info.rowGroups.entries()) {
      let c = 0;
      for await (const values of readParquetColumns(source, COLUMNS, g, { name: path, info })) {
        const name = COLUMNS[c++]?.name ?? '';
        for (let i = 0; i < rows; i++) {
          const at = (rowStart + i) * width;
          records[at + KEY_WORDS] = firstRow + rowStart + i;
          if (!COLUMN_READERS[name]?.(values, i, records, at)) throw fail(rowStart + i, name);
        }
        freeColumn(values);
      }
    }
    return records;
  });
}

type ColumnReader = (values: ColumnValues, row: number, records: Uint32Array, at: number) => boolean;

/** Each reads a value into the record at a word, and says whether it is one. */
const COLUMN_READERS: Readonly<Record<string, ColumnReader>> = {
  similarity: (values, row, records, at) => {
    if (values.kind !== 'fixed' || values.width !== 8) return false;
    const view = new DataView(values.bytes.buffer, values.bytes.byteOffset + 8 * row, 8);
    if (Number.isNaN(view.getFloat64(0, true))) return false;
    const [high, low] = [view.getUint32(4, true), view.getUint32(0, true)];
    // IEEE 754 numbers in order are their bits in order, of negative ones backwards: here all of it backwards.
    const negative = high >>> 31 === 1;
    records[at] = negative ? high : ~(high | 0x80000000);
    records[at + 1] = negative ? low : ~low;
    return true;
  },
  uid: (values, row, records, at) => readHex(values, row, 32, records, at + 2 + UID_AT, 4),
  sha256: (values, row, records, at) =>
    isBlank(values, row) || readHex(values, row, 64, records, at + 2 + DIGEST_AT, 8),
  phash: (values, row, records, at) =>
    isBlank(values, row) || readHex(values, row, 16, records, at + 2 + PICTURE_AT, 2),
};

/** Of a pair that was taken down (`scrub.ts`): its words stay zero, by which {@link isTakenDown} knows it. */
function isBlank(values: ColumnValues, row: number): boolean {
  return stringBytes(values, row)?.length === 0;
}

/** Whether a ranked row has nothing left that could be like another's. No bytes are known with a SHA-256 of zeros alone. */
export function isTakenDown(block: Uint32Array, at: number): boolean {
  return block.subarray(at + DIGEST_AT, at + PICTURE_AT).every((word) => word === 0);
}

/** Reads the first words of a text of hexadecimal digits. */
function readHex(
  values: ColumnValues,
  row: number,
  digits: number,
  records: Uint32Array,
  at: number,
  words: number,
): boolean {
  const text = stringBytes(values, row);
  if (text?.length !== digits) return false;
  for (let i = 0; i < digits; i++) {
    const code = text[i] ?? 0;
    const digit =
      code >= 0x61 && code <= 0x66 ? code - 0x57 : code >= 0x30 && code <= 0x39 ? code - 0x30 : -1;
    if (digit < 0) return false;
    const word = at + (i >>> 3);
    if (i < 8 * words) records[word] = ((records[word] ?? 0) << 4) | digit;
  }
  return true;
}

export function damaged(ctx: StageContext, path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path: `${ctx.storage.location}/${path}`, problem: `${problem}.` });
}
