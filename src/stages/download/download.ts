import type { ImageSource } from '../../fetcher/index.ts';
import { createParquetWriter, freeBytes, type RowOf } from '../../formats/index.ts';
import {
  type Dropped,
  dropped,
  type FetchFacts,
  type FetchOutcome,
  isReason,
  LedgerCounter,
  type Outcome,
  type Reason,
} from '../../schema/index.ts';
import { type ImageWatch, workOnImage } from '../image-watch.ts';
import { mapOrdered } from '../ordered.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { writeFile } from '../write-file.ts';
import type { ByteBudget, Turnstile } from './budget.ts';
import { type SampleRecord, type SampleResult, sampleRecord } from './columns.ts';
import { shardFiles } from './layout.ts';
import type { MadeImage } from './make-image.ts';
import { errorMessage, failedStatus } from './messages.ts';
import { type DownloadOptions, sampleKey } from './options.ts';
import { ShardCounter } from './statistics.ts';
import { TIMES_COLUMNS } from './stored.ts';
import { createShardWriter } from './write-shard.ts';

/** What the shards of a process share. */
export interface DownloadEngines {
  readonly images: ImageSource;
  /** Makes what is stored of a body, which is the maker's from then on. See `makeImage`. */
  readonly make: (body: Uint8Array) => Promise<Outcome<MadeImage>>;
  /** Bytes that are held: bodies as fetched, and images that wait for those before them to be written. */
  readonly budget: ByteBudget;
  /** Images that are worked on at once. */
  readonly turnstile: Turnstile;
  /** Writes down that an image is being worked on. @returns writes down that it has ended */
  readonly journal: (shard: number, row: number) => () => void;
}

/** One row of a shard on its way in. */
export interface ShardRow {
  /** By the names of the options' columns. */
  readonly input: SampleRecord;
  /** What a finished shard has of it, and is to stay; without it, it is fetched. */
  readonly stored?: { readonly record: SampleRecord; readonly image: Uint8Array | null };
}

export interface ShardTask {
  readonly index: number;
  /** The files are written below this folder; they get their names when the shard is done. */
  readonly folder: string;
  /** Rows whose image was worked on when a worker died: each is worked on alone. */
  readonly suspects: ReadonlySet<number>;
  /** Rows whose image ended a worker: they are not worked on again. */
  readonly fatal: ReadonlySet<number>;
}

/** Rows that are begun and not yet written, at most: so many slow ones may stand before the first that is not. */
const WINDOW = 4096;
/** What an image is taken to be before its size is known, in bytes: about that of Common Crawl's images. */
export const EXPECTED_BYTES = 64 << 10;

interface Sample {
  readonly row: ShardRow;
  readonly record: SampleRecord;
  readonly image: Uint8Array | null;
  readonly facts: FetchFacts | undefined;
  /** Bytes of the budget that are given back when the sample is written. */
  readonly held: number;
}

/**
 * Downloads one shard: each image is fetched, made what the options say and written, in the order of the rows, whatever
 * answers first, so that equal answers give equal files (but for the times in the statistics and in `times`).
 *
 * Leaves a tar or a folder with images (or none, with the images in the Parquet file), the Parquet file with a row for
 * each URL, the statistics and the times. Ledger: download. Memory: the budget's bytes, and the rows of the shard.
 */
export async function downloadShard(
  task: ShardTask,
  rows: AsyncIterable<ShardRow> | Iterable<ShardRow>,
  options: DownloadOptions,
  engines: DownloadEngines,
  ctx: StageContext,
): Promise<StageResult> {
  const start = Date.now() / 1000;
  const counter = new ShardCounter();
  const ledger = new LedgerCounter();
  const times: RowOf<typeof TIMES_COLUMNS>[] = [];
  const writer = await createShardWriter(ctx.storage, task.folder, task.index, options);
  const watch: Omit<ImageWatch, 'underWay'> = {
    ...task,
    turnstile: engines.turnstile,
    journal: (row) => engines.journal(task.index, row),
  };
  let at = 0;
  try {
    const samples = mapOrdered(rows, WINDOW, async (row) => {
      const place = at++;
      const key = sampleKey(task.index, place, options);
      if (row.stored) return { row, ...row.stored, facts: undefined, held: 0 };
      await engines.budget.reserve(EXPECTED_BYTES);
      return download(row, place, key);
    });
    for await (const { record, image, facts, held } of samples) {
      await writer.add(record, image);
      if (image && options.outputFormat !== 'parquet') freeBytes(image);
      engines.budget.adjust(-held);
      counter.add(record);
      count(ledger, record);
      if (facts) times.push(timesOf(String(record.key), facts));
      ctx.progress(1);
    }
    const written = await writer.finish();
    const files = shardFiles(task.index, options);
    const statistics = `${JSON.stringify(counter.statistics(start, Date.now() / 1000), null, 4)}\n`;
    const put = async (path: string, text: string) => {
      const info = await ctx.storage.put(`${task.folder}/${path}`, text);
      return { ...info, path, bytes: info?.bytes ?? 0, sha256: info?.sha256 ?? '' };
    };
    written.push(await put(files.stats, statistics));
    const timesFile = await writeFile(ctx.storage, `${task.folder}/${files.times}`, async (sink) => {
      const parquet = createParquetWriter(sink, TIMES_COLUMNS);
      await parquet.writeRowGroup(times);
      await parquet.finish();
    });
    written.push({ ...timesFile, path: files.times });
    return { files: written, ledgers: { download: ledger.ledger() }, facts: { rows: at } };
  } catch (error) {
    await writer.abort();
    throw error;
  }

  async function download(row: ShardRow, place: number, key: string): Promise<Sample> {
    ctx.signal.throwIfAborted();
    const { url } = row.input;
    const fetched: FetchOutcome =
      typeof url === 'string' ? await engines.images.get(url, ctx.signal) : dropped('no_url');
    const { facts } = fetched;
    const done = (result: SampleResult, image: Uint8Array | null): Sample => {
      const held = image?.length ?? 0;
      return { row, record: sampleRecord(row.input, key, result, options), image, facts, held };
    };
    if (!fetched.kept) {
      engines.budget.adjust(-EXPECTED_BYTES);
      return done(failed(fetched, null, facts), null);
    }
    const { bytes } = fetched.value;
    const { length } = bytes;
    engines.budget.adjust(length - EXPECTED_BYTES);
    const made = await workOnImage(watch, place, () => engines.make(bytes));
    engines.budget.adjust((made.kept ? made.value.bytes.length : 0) - length);
    if (!made.kept) return done(failed(made, null, facts), null);
    const { bytes: image, ...rest } = made.value;
    const success = { status: 'success', errorMessage: null, reason: null, detail: null } as const;
    return done({ ...success, ...rest, facts: facts ?? null }, image);
  }
}

function failed(outcome: Dropped, hash: string | null, facts: FetchFacts | undefined): SampleResult {
  return {
    status: failedStatus(outcome),
    errorMessage: errorMessage(outcome),
    width: null,
    height: null,
    originalWidth: null,
    originalHeight: null,
    exif: null,
    hash,
    reason: outcome.reason,
    detail: outcome.detail,
    facts: facts ?? null,
  };
}

function count(ledger: LedgerCounter, { reason }: SampleRecord): void {
  ledger.in();
  if (typeof reason === 'string' && isReason(reason)) ledger.drop(reason satisfies Reason);
  else ledger.out();
}

function timesOf(key: string, facts: FetchFacts): RowOf<typeof TIMES_COLUMNS> {
  const { queueMs, dnsMs, connectMs, firstByteMs, totalMs } = facts;
  const whole = (ms: number) => Math.min(Math.round(ms), 2 ** 31 - 1);
  return {
    key,
    queue_ms: whole(queueMs),
    dns_ms: whole(dnsMs),
    connect_ms: whole(connectMs),
    first_byte_ms: whole(firstByteMs),
    total_ms: whole(totalMs),
  };
}
