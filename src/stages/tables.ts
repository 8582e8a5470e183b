import { type Column, parquetInfo, type RowOf, readParquetRowGroup } from '../formats/index.ts';
import { type DroppedRow, GleanerError, type Pair, parseUid } from '../schema/index.ts';
import { type Storage, streamSource } from '../storage/index.ts';

/**
 * The hash bucket of a uid: its leading 32 bits scaled to the number of buckets, so that each bucket is a range of
 * uids and buckets in order are uids in order.
 */
export function bucketOf(uid: string, buckets: number): number {
  return bucketOfLead(Number.parseInt(uid.slice(0, 8), 16), buckets);
}

/** The same for the leading 32 bits as a number. */
export function bucketOfLead(lead: number, buckets: number): number {
  return Math.floor((lead * buckets) / 2 ** 32);
}

/** The least leading word of a bucket's uids; of the one after the last, 2³². */
export function leadOf(bucket: number, buckets: number): number {
  return Math.ceil((bucket * 2 ** 32) / buckets);
}

/** Name of an output file of a task, as `pairs/00003.parquet`. */
export function shardPath(folder: string, index: number): string {
  return `${folder}/${String(index).padStart(5, '0')}.parquet`;
}

/** The restricted report of an extract task, below the folder of the run. */
export function knownContentReport(index: number): string {
  return `known-content/${String(index).padStart(5, '0')}.jsonl`;
}

/** Columns of a pair but its uid. */
const PAIR_VALUES = [
  { name: 'url', type: 'string' },
  { name: 'text', type: 'string' },
  { name: 'page_url', type: 'string' },
  { name: 'wat', type: 'string' },
  { name: 'license', type: 'string' },
  { name: 'language', type: 'string' },
  { name: 'language_confidence', type: 'float' },
] as const satisfies readonly Column[];

/** Of these, rows that follow one another often have the same value. */
export const REPEATED_COLUMNS = new Set(['page_url', 'wat', 'license', 'language'] as const);

/** Columns of pairs/*.parquet, which is read by dedup alone: the bits of a uid cannot be packed. */
export const EXTRACTED_COLUMNS = [
  { name: 'uid', type: 'hash128' },
  ...PAIR_VALUES,
] as const satisfies readonly Column[];

/** Columns of unique/*.parquet. */
export const PAIR_COLUMNS = [
  { name: 'uid', type: 'string' },
  ...PAIR_VALUES,
] as const satisfies readonly Column[];

/** Columns of dropped/*.parquet. */
export const DROPPED_COLUMNS = [
  ...PAIR_COLUMNS,
  { name: 'reason', type: 'string' },
  { name: 'detail', type: 'string' },
  { name: 'similarity', type: 'double', nullable: true },
] as const satisfies readonly Column[];

export type PairRecord = RowOf<typeof PAIR_COLUMNS>;
export type DroppedRecord = RowOf<typeof DROPPED_COLUMNS>;

export function pairRecord(pair: Pair): PairRecord {
  const { uid, url, text, pageUrl, wat, license, language, languageConfidence } = pair;
  return {
    uid,
    url,
    text,
    page_url: pageUrl,
    wat,
    license,
    language,
    language_confidence: languageConfidence,
  };
}

/** @param path for the message. @throws GleanerError DAMAGED at a uid that is none */
export function parsePair(record: PairRecord, path: string): Pair {
  const uid = parseUid(record.uid);
  if (uid === undefined)
    throw new GleanerError('DAMAGED', { path, problem: `${JSON.stringify(record.uid)} is no uid` });
  const { url, text, page_url: pageUrl, wat, license, language, language_confidence } = record;
  return { uid, url, text, pageUrl, wat, license, language, languageConfidence: language_confidence };
}

export function droppedRecord(row: DroppedRow): DroppedRecord {
  const { pageUrl, languageConfidence, ...same } = row;
  return { ...same, page_url: pageUrl, language_confidence: languageConfidence };
}

export function parseDropped(record: DroppedRecord): DroppedRow {
  const { page_url: pageUrl, language_confidence: languageConfidence, ...same } = record;
  return { ...same, pageUrl, languageConfidence };
}

/**
 * The pairs of a file of pairs/ or unique/ from row `rowStart` up to, not with, `rowEnd`. Only the row groups that hold them are read.
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function* readPairs(
  storage: Storage,
  path: string,
  rowStart = 0,
  rowEnd = Number.POSITIVE_INFINITY,
): AsyncGenerator<Pair, void, undefined> {
  yield* streamSource(storage, path, async function* (file) {
    const info = await parquetInfo(file, path);
    for (const [i, group] of info.rowGroups.entries()) {
      const from = Math.max(0, rowStart - group.rowStart);
      const to = Math.min(group.rows, rowEnd - group.rowStart);
      if (from >= to) continue;
      const records = await readParquetRowGroup(file, EXTRACTED_COLUMNS, i, { name: path, info });
      for (const record of records.slice(from, to)) yield parsePair(record, path);
    }
  });
}
