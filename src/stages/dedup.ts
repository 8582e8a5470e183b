import {
  type ColumnValues,
  countValues,
  createParquetWriter,
  Gatherer,
  type KeyWords,
  layTables,
  PlainBuilder,
  parquetInfo,
  plainStrings,
  readParquetColumns,
  stringBytes,
  type TableLayout,
  writeKeyFile,
} from '../formats/index.ts';
import { GleanerError, LedgerCounter, type Reason } from '../schema/index.ts';
import { type ByteSink, type Storage, withSource } from '../storage/index.ts';
import { BUCKET_COUNT_KEY, BUCKETS_KEY } from './pair-writer.ts';
import { Partition } from './partition.ts';
import { keyPath, type Seen } from './seen.ts';
import type { StageContext, StageResult } from './stage.ts';
import { bucketOfLead, PAIR_COLUMNS, shardPath } from './tables.ts';
import { createTrailWriter } from './trail.ts';
import { firstOccurrences, readUids, sortByKey, uidText } from './uid-words.ts';
import { writeFiles } from './write-file.ts';

export interface DedupTask {
  readonly bucket: number;
  readonly buckets: number;
  /** Files of `extract`, in the order that decides which of several equal pairs is the first. */
  readonly pairFiles: readonly string[];
}

/** Rows of a row group of unique/*.parquet. */
const GROUP_ROWS = 10_000;

/** Pairs of one bucket, file after file, as columns. */
interface Bucket {
  readonly files: readonly { readonly path: string; readonly columns: (ColumnValues | undefined)[] }[];
  readonly layout: TableLayout;
  readonly rows: number;
  readonly words: KeyWords;
}

/**
 * Takes one hash bucket out of every file of pairs and keeps the first of equal ones (same URL, same text), unless an
 * earlier run had it: `unique/NNNNN.parquet`, in the order of the uids; `keys/NNNNN.keys`, the uids of these, for later
 * runs; and `dropped/dedup/NNNNN.parquet`, whose detail names the place of the first, or the run that had the pair.
 * Only the bucket's row group of each file is read.
 *
 * Columns are moved as bytes: nothing but uids is looked at, and URL and text of pairs with one uid.
 *
 * Ledger: unique. Facts: rows. Memory: one bucket, some 300 bytes a pair.
 * @param from holds the files of pairs. @default the folder of the run
 * @param seen what earlier runs had
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function dedup(
  task: DedupTask,
  ctx: StageContext,
  from: Storage = ctx.storage,
  seen: readonly Seen[] = [],
): Promise<StageResult> {
  const bucket = await readBucket(task, ctx, from);
  const first = firstOccurrences(bucket.words);
  checkDuplicates(bucket, first);
  const labels = seen.map(({ label }) => label);
  /** For each row what its detail is taken from, as a number of `details`; its own number where it is kept. */
  const origin = first;
  let unique = sortByKey(bucket.words, rowsThat(true, first));
  const counter = new LedgerCounter();
  counter.in(bucket.rows);
  counter.drop('duplicate', bucket.rows - unique.length);
  const earlier = new Set<number>();
  for (const [i, had] of seen.entries()) {
    ctx.signal.throwIfAborted();
    const hits = await had.find(bucket.words, unique, task);
    if (hits.size === 0) continue;
    for (const row of hits) {
      origin[row] = bucket.rows + i;
      earlier.add(row);
    }
    unique = unique.filter((row) => !hits.has(row));
  }
  counter.drop('seen', earlier.size);
  counter.out(unique.length);
  const files = await writeFiles(
    ctx.storage,
    [shardPath('unique', task.bucket), shardPath('dropped/dedup', task.bucket), keyPath(task.bucket)],
    async ([uniqueSink, trailSink, keySink]) => {
      if (!uniqueSink || !trailSink || !keySink) throw new Error('a sink for each file');
      await writeTrail(trailSink, bucket, origin, earlier, labels);
      await writeUnique(uniqueSink, bucket, unique, ctx.signal);
      await writeKeyFile(keySink, task, bucket.words, unique);
    },
  );
  return { files, ledgers: { unique: counter.ledger() }, facts: { rows: unique.length } };
}

/** Numbers of the rows that are their own first occurrence, or of those that are not, in their order. */
function rowsThat(areFirst: boolean, first: Uint32Array): Uint32Array {
  const rows = new Uint32Array(first.length);
  let count = 0;
  for (let row = 0; row < first.length; row++) if ((first[row] === row) === areFirst) rows[count++] = row;
  return rows.slice(0, count);
}

async function writeUnique(
  sink: ByteSink,
  bucket: Bucket,
  unique: Uint32Array,
  signal: AbortSignal,
): Promise<void> {
  const writer = createParquetWriter(sink, PAIR_COLUMNS);
  const partition = new Partition(bucket.rows, unique, GROUP_ROWS);
  const columns = PAIR_COLUMNS.map((_, c) => {
    const tables = bucket.files.flatMap((file) => file.columns[c] ?? []);
    const gatherer = new Gatherer(tables, bucket.layout, GROUP_ROWS);
    if (gatherer.small) return (picks: Uint32Array) => gatherer.gather(picks);
    const dealt = partition.deal(tables);
    // The tables have been copied, and are let go: what is held is a bucket and one column.
    for (const { columns: held } of bucket.files) held[c] = undefined;
    const builder = new PlainBuilder(GROUP_ROWS);
    return (_picks: Uint32Array, group: number) => {
      const strings = dealt[group];
      if (!strings) throw new Error(`no group ${group}`);
      return partition.arrange(group, strings, builder);
    };
  });
  for (let group = 0; group * GROUP_ROWS < unique.length; group++) {
    signal.throwIfAborted();
    const picks = unique.subarray(group * GROUP_ROWS, (group + 1) * GROUP_ROWS);
    await writer.writeColumns(columns.map((column) => column(picks, group)));
  }
  await writer.finish();
}

function gatherers({ files, layout }: Bucket): Gatherer[] {
  return PAIR_COLUMNS.map((_, c) => {
    const column = files.flatMap((file) => file.columns[c] ?? []);
    return new Gatherer(column, layout, GROUP_ROWS);
  });
}

/** Writes the rows that were dropped, in their order. */
async function writeTrail(
  sink: ByteSink,
  bucket: Bucket,
  origin: Uint32Array,
  earlier: ReadonlySet<number>,
  labels: readonly string[],
): Promise<void> {
  const trail = createTrailWriter(sink);
  const pairs = gatherers(bucket);
  // A detail is the place (column `wat`) of the first of the equal pairs, or the name of a run: one table more.
  const place = PAIR_COLUMNS.findIndex(({ name }) => name === 'wat');
  const places = bucket.files.flatMap((file) => file.columns[place] ?? []);
  const lengths = places.map(countValues);
  const details = new Gatherer(
    [...places, plainStrings(labels)],
    layTables([...lengths, labels.length]),
    GROUP_ROWS,
  );
  const dropped = rowsThat(false, origin);
  for (let at = 0; at < dropped.length; at += GROUP_ROWS) {
    const picks = dropped.subarray(at, at + GROUP_ROWS);
    const reasons = Array.from(picks, (row): Reason => (earlier.has(row) ? 'seen' : 'duplicate'));
    await trail.addPairs(picks, pairs, reasons, details.gather(picks.map((row) => origin[row] ?? 0)));
  }
  await trail.finish();
}

/** A uid is a hash of 128 bits: equal uids with different pairs are not to be expected, but cost little to tell. */
function checkDuplicates({ files, layout, words }: Bucket, first: Uint32Array): void {
  const compared = ['url', 'text'].map((name) => PAIR_COLUMNS.findIndex((column) => column.name === name));
  const value = (row: number, column: number) => {
    const table = layout.tableOf[row] ?? 0;
    const values = files[table]?.columns[column];
    return values && stringBytes(values, row - (layout.starts[table] ?? 0));
  };
  for (let row = 0; row < first.length; row++) {
    const other = first[row] ?? 0;
    if (other === row) continue;
    for (const column of compared) {
      const [a, b] = [value(row, column), value(other, column)];
      if (!a || !b || Buffer.compare(a, b) !== 0)
        throw new GleanerError('DAMAGED', {
          path: files[layout.tableOf[row] ?? 0]?.path ?? '',
          problem: `two different pairs have the uid ${uidText(words, row)}`,
        });
    }
  }
}

/** Reads one bucket of every file. */
async function readBucket(task: DedupTask, ctx: StageContext, from: Storage): Promise<Bucket> {
  const files: Bucket['files'][number][] = [];
  const counts: number[] = [];
  for (const path of task.pairFiles) {
    ctx.signal.throwIfAborted();
    for (const columns of await readBucketOf(from, path, task)) {
      files.push({ path, columns });
      const [uids] = columns;
      counts.push(uids ? countValues(uids) : 0);
      ctx.progress(counts.at(-1) ?? 0);
    }
  }
  const layout = layTables(counts);
  const rows = layout.tableOf.length;
  const words = new Uint32Array(4 * rows);
  for (const [table, { path, columns }] of files.entries()) {
    const [uids] = columns;
    const start = layout.starts[table] ?? 0;
    const count = counts[table] ?? 0;
    const bad = uids ? readUids(uids, count, words, start) : 0;
    if (bad >= 0) {
      const text = JSON.stringify(Buffer.from((uids && stringBytes(uids, bad)) ?? []).toString());
      throw new GleanerError('DAMAGED', { path, problem: `${text} is no uid` });
    }
    for (let row = start; row < start + count; row++)
      if (bucketOfLead(words[4 * row] ?? 0, task.buckets) !== task.bucket)
        throw new GleanerError('DAMAGED', {
          path,
          problem: `holds the uid ${uidText(words, row)} in a wrong bucket`,
        });
  }
  return { files, layout, rows, words };
}

/** The columns of each row group of one bucket in one file of pairs. */
function readBucketOf(storage: Storage, path: string, task: DedupTask): Promise<ColumnValues[][]> {
  return withSource(storage, path, async (file) => {
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
    const groups: ColumnValues[][] = [];
    for (const [group, bucket] of buckets.entries())
      if (bucket === task.bucket)
        groups.push(await readParquetColumns(file, PAIR_COLUMNS, group, { name: path, info }));
    return groups;
  });
}

function parseBuckets(json: string): readonly number[] | undefined {
  return /^\[(\d+(,\d+)*)?\]$/.test(json)
    ? json.slice(1, -1).split(',').filter(Boolean).map(Number)
    : undefined;
}
