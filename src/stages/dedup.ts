import {
  ColumnBuffer,
  type ColumnValues,
  createParquetWriter,
  freeColumn,
  type KeyWords,
  NumberBuffers,
  type ParquetFooter,
  parquetFooter,
  pickStrings,
  plainStrings,
  readParquetColumns,
  sliceColumn,
  stringsEqual,
  writeKeyFile,
} from '../formats/index.ts';
import { GleanerError, LedgerCounter, type Reason } from '../schema/index.ts';
import { type ByteSink, type ByteSource, type Storage, streamSource } from '../storage/index.ts';
import { BUCKET_COUNT_KEY, BUCKETS_KEY } from './pair-writer.ts';
import { keyPath, type Seen } from './seen.ts';
import type { StageContext, StageResult } from './stage.ts';
import { EXTRACTED_COLUMNS, PAIR_COLUMNS, shardPath } from './tables.ts';
import { createTrailWriter } from './trail.ts';
import { orderKeys, strayRow, uidColumn, uidText, uidWords } from './uid-words.ts';
import { writeFiles } from './write-file.ts';

export interface DedupTask {
  readonly bucket: number;
  readonly buckets: number;
  /** Files of `extract`, in the order that decides which of several equal pairs is the first. */
  readonly pairFiles: readonly string[];
}

/** Rows of a row group of unique/*.parquet. */
const GROUP_ROWS = 10_000;

/** Columns of pairs but the uid, which is the first and held as words. */
const COLUMNS = PAIR_COLUMNS.slice(1);

/** Pairs of one bucket: rows of a file come after those of the files before it. */
interface Bucket {
  readonly files: readonly { readonly path: string; readonly firstRow: number }[];
  readonly words: KeyWords;
}

/**
 * Memory of a task, which one that comes after it can use again (`ColumnBuffer` says why it should). It grows to what
 * the largest bucket takes.
 */
export class DedupMemory {
  readonly uids = new ColumnBuffer();
  /** The columns of `COLUMNS`, as they are read and as they are written. */
  readonly read = COLUMNS.map(() => new ColumnBuffer());
  readonly sorted = COLUMNS.map(() => new ColumnBuffer());
  readonly numbers = new NumberBuffers();
  /** By the paths of the files of pairs, which are those of one run, and do not change. */
  readonly footers = new Map<string, PairFooter>();
}

/** The same pairs in the order in which they are written: those that are kept, by their uids; then the others. */
interface Sorted {
  /** For each place the number of its row. */
  readonly rows: Uint32Array;
  readonly places: Uint32Array;
  readonly kept: number;
  /** For each of `COLUMNS`. */
  readonly columns: readonly ColumnValues[];
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
 * @param memory of one task at a time
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function dedup(
  task: DedupTask,
  ctx: StageContext,
  from: Storage = ctx.storage,
  seen: readonly Seen[] = [],
  memory = new DedupMemory(),
): Promise<StageResult> {
  const bucket = await readBucket(task, ctx, from, memory);
  const { words } = bucket;
  const { first, order } = orderKeys(words, task, memory.numbers);
  const counter = new LedgerCounter();
  counter.in(first.length);
  counter.drop('duplicate', first.length - order.length);
  /** For each row that an earlier run had, which of them. */
  const earlier = new Map<number, number>();
  let kept = order;
  for (const [run, had] of seen.entries()) {
    ctx.signal.throwIfAborted();
    const hits = await had.find(words, kept, task);
    for (const row of hits) earlier.set(row, run);
    if (hits.size > 0) kept = kept.filter((row) => !hits.has(row));
  }
  counter.drop('seen', earlier.size);
  counter.out(kept.length);
  const sorted = sortColumns(words, kept, memory);
  checkDuplicates(bucket, sorted, first);
  const files = await writeFiles(
    ctx.storage,
    [shardPath('unique', task.bucket), shardPath('dropped/dedup', task.bucket), keyPath(task.bucket)],
    async ([uniqueSink, trailSink, keySink]) => {
      if (!uniqueSink || !trailSink || !keySink) throw new Error('a sink for each file');
      await writeUnique(uniqueSink, words, sorted, ctx.signal);
      await writeTrail(trailSink, words, sorted, {
        first,
        earlier,
        labels: plainStrings(seen.map(({ label }) => label)),
      });
      await writeKeyFile(keySink, task, words, kept);
    },
  );
  return { files, ledgers: { unique: counter.ledger() }, facts: { rows: kept.length } };
}

/** Puts columns in the order in which they are written. */
function sortColumns(words: KeyWords, kept: Uint32Array, memory: DedupMemory): Sorted {
  const count = words.length / 4;
  const places = memory.numbers.take('places', count).fill(count);
  for (let place = 0; place < kept.length; place++) places[kept[place] ?? 0] = place;
  const rows = memory.numbers.take('rows', count);
  rows.set(kept);
  let last = kept.length;
  for (let row = 0; row < count; row++)
    if (places[row] === count) {
      rows[last] = row;
      places[row] = last++;
    }
  const columns = memory.sorted.map((buffer, c) => {
    const read = memory.read[c]?.values();
    if (read) buffer.scatter(read, places);
    return buffer.values();
  });
  return { rows, places, kept: kept.length, columns };
}

/** Writes the pairs that are kept. */
async function writeUnique(
  sink: ByteSink,
  words: KeyWords,
  { rows, kept, columns }: Sorted,
  signal: AbortSignal,
): Promise<void> {
  const writer = createParquetWriter(sink, PAIR_COLUMNS);
  for (let from = 0; from < kept; from += GROUP_ROWS) {
    signal.throwIfAborted();
    const to = Math.min(kept, from + GROUP_ROWS);
    const uids = uidColumn(words, rows.subarray(from, to));
    await writer.writeColumns([uids, ...columns.map((column) => sliceColumn(column, from, to))]);
    freeColumn(uids);
  }
  await writer.finish();
}

const REASONS = plainStrings(['duplicate', 'seen'] satisfies Reason[]);

interface Origins {
  /** For each row the number of the first that is equal to it. */
  readonly first: Uint32Array;
  /** For each row that an earlier run had, which of `labels` names it. */
  readonly earlier: ReadonlyMap<number, number>;
  readonly labels: ColumnValues;
}

/** Writes the pairs that were dropped, in the order in which they were read. */
async function writeTrail(
  sink: ByteSink,
  words: KeyWords,
  { rows, places, kept, columns }: Sorted,
  { first, earlier, labels }: Origins,
): Promise<void> {
  const trail = createTrailWriter(sink);
  // A detail is the place (column `wat`) of the first of the equal pairs, or the name of a run.
  const wat = COLUMNS.findIndex(({ name }) => name === 'wat');
  const details = [...columns.slice(wat, wat + 1), labels];
  for (let from = kept; from < rows.length; from += GROUP_ROWS) {
    const to = Math.min(rows.length, from + GROUP_ROWS);
    const numbers = rows.subarray(from, to);
    const uids = uidColumn(words, numbers);
    const reasons = numbers.map((row) => (earlier.has(row) ? 1 : 0));
    const origins = numbers.map((row) => {
      const run = earlier.get(row);
      return run === undefined ? (places[first[row] ?? 0] ?? 0) : rows.length + run;
    });
    const detail = pickStrings(details, origins);
    await trail.addPairs(
      [uids, ...columns.map((column) => sliceColumn(column, from, to))],
      sliceColumn({ kind: 'dictionary', dictionary: REASONS, indices: reasons }, 0, reasons.length),
      detail,
    );
    freeColumn(uids);
    freeColumn(detail);
  }
  await trail.finish();
}

/** A uid is a hash of 128 bits: equal uids with different pairs are not to be expected, but cost little to tell. */
function checkDuplicates(
  { files, words }: Bucket,
  { rows, places, kept, columns }: Sorted,
  first: Uint32Array,
) {
  for (const name of ['url', 'text']) {
    const values = columns[COLUMNS.findIndex((column) => column.name === name)];
    const equal = values && stringsEqual(values);
    for (let place = kept; equal && place < rows.length; place++) {
      const row = rows[place] ?? 0;
      const other = places[first[row] ?? 0] ?? 0;
      if (other === place) continue;
      if (!equal(place, other))
        throw new GleanerError('DAMAGED', {
          path: pathOf(files, row),
          problem: `two different pairs have the uid ${uidText(words, row)}`,
        });
    }
  }
}

/** Reads one bucket of every file. */
async function readBucket(
  task: DedupTask,
  ctx: StageContext,
  from: Storage,
  memory: DedupMemory,
): Promise<Bucket> {
  const files: Bucket['files'][number][] = [];
  const { uids, read } = memory;
  for (const buffer of [uids, ...read]) buffer.clear();
  for (const path of task.pairFiles) {
    ctx.signal.throwIfAborted();
    const firstRow = uids.rows;
    let c = 0;
    for await (const column of readBucketOf(from, path, task, memory)) {
      // Row group after row group, of each all columns.
      (c === 0 ? uids : read[c - 1])?.append(column);
      c = (c + 1) % EXTRACTED_COLUMNS.length;
      freeColumn(column);
    }
    if (uids.rows > firstRow) files.push({ path, firstRow });
    ctx.progress(uids.rows - firstRow);
  }
  const words = uidWords(uids.values(), memory.numbers.take('words', 4 * uids.rows));
  const stray = strayRow(words, task);
  if (stray >= 0)
    throw new GleanerError('DAMAGED', {
      path: pathOf(files, stray),
      problem: `holds the uid ${uidText(words, stray)} in a wrong bucket`,
    });
  return { files, words };
}

function pathOf(files: Bucket['files'], row: number): string {
  return files.findLast(({ firstRow }) => firstRow <= row)?.path ?? '';
}

/** The columns of one bucket in one file of pairs; none where the file has nothing of that bucket. */
function readBucketOf(
  storage: Storage,
  path: string,
  task: DedupTask,
  memory: DedupMemory,
): AsyncGenerator<ColumnValues, void, undefined> {
  return streamSource(storage, path, async function* (file) {
    const { footer, buckets } = memory.footers.get(path) ?? (await readFooter(file, path, task.buckets));
    memory.footers.set(path, { footer, buckets });
    // Of a very large WAT a bucket has several row groups.
    for (
      let group = buckets.indexOf(task.bucket);
      group >= 0;
      group = buckets.indexOf(task.bucket, group + 1)
    ) {
      const info = await footer.rowGroup(file, group);
      yield* readParquetColumns(file, EXTRACTED_COLUMNS, 0, { name: path, info });
    }
  });
}

/** The footer of a file of pairs, and which bucket each of its row groups is. */
interface PairFooter {
  readonly footer: ParquetFooter;
  readonly buckets: Uint32Array;
}

async function readFooter(file: ByteSource, path: string, buckets: number): Promise<PairFooter> {
  const footer = await parquetFooter(file, path);
  const count = footer.kvMetadata.get(BUCKET_COUNT_KEY);
  if (count !== String(buckets))
    throw new GleanerError('DAMAGED', {
      path,
      problem: `is parted into ${count ?? 'no'} buckets, not into ${buckets}`,
    });
  const of = parseBuckets(footer.kvMetadata.get(BUCKETS_KEY) ?? '');
  if (of?.length !== footer.rowGroups)
    throw new GleanerError('DAMAGED', { path, problem: 'does not say which bucket each row group holds' });
  return { footer, buckets: of };
}

function parseBuckets(json: string): Uint32Array | undefined {
  return /^\[(\d+(,\d+)*)?\]$/.test(json)
    ? Uint32Array.from(json.slice(1, -1).split(',').filter(Boolean), Number)
    : undefined;
}
