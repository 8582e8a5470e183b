import { createParquetWriter, parquetInfo, readParquetRowGroup } from '../formats/index.ts';
import { GleanerError, LedgerCounter } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { BUCKET_COUNT_KEY, BUCKETS_KEY } from './extract.ts';
import type { StageContext, StageResult } from './stage.ts';
import { bucketOf, PAIR_COLUMNS, type PairRecord, parsePair, shardPath } from './tables.ts';
import { createTrailWriter } from './trail.ts';
import { writeFiles } from './write-file.ts';

export interface DedupTask {
  readonly bucket: number;
  readonly buckets: number;
  /** Files of `extract`, in the order that decides which of several equal pairs is the first. */
  readonly pairFiles: readonly string[];
}

/** Rows of a row group of unique/*.parquet. */
const GROUP_ROWS = 10_000;

/**
 * Takes one hash bucket out of every file of pairs and keeps the first of equal ones (same URL, same text):
 * `unique/NNNNN.parquet`, in the order of the uids, and `dropped/dedup/NNNNN.parquet`, whose detail names the place
 * of the first. Only the bucket's row group of each file is read.
 *
 * Ledger: unique. Facts: rows. Memory: one bucket.
 * @param from holds the files of pairs. @default the folder of the run
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function dedup(
  task: DedupTask,
  ctx: StageContext,
  from: Storage = ctx.storage,
): Promise<StageResult> {
  const counter = new LedgerCounter();
  // A uid is a hash of 128 bits: equal uids with different pairs are not to be expected, but cost nothing to tell.
  const first = new Map<string, PairRecord>();
  const files = await writeFiles(
    ctx.storage,
    [shardPath('unique', task.bucket), shardPath('dropped/dedup', task.bucket)],
    async ([uniqueSink, trailSink]) => {
      if (!uniqueSink || !trailSink) throw new Error('a sink for each file');
      const trail = createTrailWriter(trailSink);
      for (const path of task.pairFiles) {
        ctx.signal.throwIfAborted();
        const records = await readBucket(from, path, task);
        for (const record of records) {
          counter.in();
          const seen = first.get(record.uid);
          if (seen === undefined) {
            first.set(record.uid, record);
            continue;
          }
          if (seen.url !== record.url || seen.text !== record.text)
            throw new GleanerError('DAMAGED', {
              path,
              problem: `two different pairs have the uid ${record.uid}`,
            });
          counter.drop('duplicate');
          const pair = parsePair(record, path);
          await trail.add({ ...pair, reason: 'duplicate', detail: seen.wat, similarity: null });
        }
        ctx.progress(records.length);
      }
      await trail.finish();
      const unique = [...first.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1));
      counter.out(unique.length);
      const writer = createParquetWriter(uniqueSink, PAIR_COLUMNS);
      for (let at = 0; at < unique.length; at += GROUP_ROWS)
        await writer.writeRowGroup(unique.slice(at, at + GROUP_ROWS));
      await writer.finish();
    },
  );
  return { files, ledgers: { unique: counter.ledger() }, facts: { rows: first.size } };
}

/** The rows of one bucket in one file of pairs; none where the file has none of that bucket. */
async function readBucket(storage: Storage, path: string, task: DedupTask): Promise<readonly PairRecord[]> {
  const file = await storage.open(path);
  try {
    const info = await parquetInfo(file, path);
    const count = info.kvMetadata.get(BUCKET_COUNT_KEY);
    if (count !== String(task.buckets))
      throw new GleanerError('DAMAGED', {
        path,
        problem: `is parted into ${count ?? 'no'} buckets, not into ${task.buckets}`,
      });
    const buckets = parseBuckets(info.kvMetadata.get(BUCKETS_KEY) ?? '');
    if (buckets?.length !== info.rowGroups.length)
      throw new GleanerError('DAMAGED', { path, problem: 'does not say which bucket each row group holds' });
    const rowGroup = buckets.indexOf(task.bucket);
    if (rowGroup < 0) return [];
    const records = await readParquetRowGroup(file, PAIR_COLUMNS, rowGroup, { name: path, info });
    const stray = records.find((record) => bucketOf(record.uid, task.buckets) !== task.bucket);
    if (stray)
      throw new GleanerError('DAMAGED', { path, problem: `holds the uid ${stray.uid} in a wrong bucket` });
    return records;
  } finally {
    await file.close();
  }
}

function parseBuckets(json: string): readonly number[] | undefined {
  return /^\[(\d+(,\d+)*)?\]$/.test(json)
    ? json.slice(1, -1).split(',').filter(Boolean).map(Number)
    : undefined;
}
