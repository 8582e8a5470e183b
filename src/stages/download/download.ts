import type { ImageSource } from '../../fetcher/index.ts';
import { createParquetWriter, freeBytes, type RowOf } from '../../formats/index.ts';
import type { KnownContent } from '../../safety/index.ts';
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
import type { Shelf, Shelved } from '../../storage/index.ts';
import type { Turnstile } from '../budget.ts';
import { fetchTimes } from '../fetch-times.ts';
import { type ImageWatch, workOnImage } from '../image-watch.ts';
import type { Intake } from '../intake.ts';
import { type KnownEntry, writeKnownContent } from '../known-content.ts';
import { mapOrdered } from '../ordered.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { writeFile } from '../write-file.ts';
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
  /** Lists of what is never fetched, decoded or written. */
  readonly known?: Pick<KnownContent, 'refuseUrl' | 'refuseBytes'> | undefined;
  /** Makes what is stored of a body, which is the maker's from then on. See `makeImage`. */
  readonly make: (body: Uint8Array) => Promise<Outcome<MadeImage>>;
  readonly intake: Intake;
  /** Where images wait for those before them. */
  readonly shelf: () => Shelf;
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
  readonly stored?: {
    readonly record: SampleRecord;
    readonly image: Uint8Array | null;
    /** What the restricted report says of it. */
    readonly known?: string | undefined;
  };
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

interface Sample {
  readonly record: SampleRecord;
  readonly image: Shelved | null;
  readonly facts: FetchFacts | undefined;
  /** Of known content, for the restricted report: the row says nothing of it. */
  readonly known?: string | undefined;
}

/**
 * Downloads one shard: each image is fetched, made what the options say and written, in the order of the rows, whatever
 * answers first, so that equal answers give equal files (but for the times in the statistics and in `times`).
 *
 * Leaves a tar or a folder with images (or none, with the images in the Parquet file), the Parquet file with a row for
 * each URL, the statistics and the times; where something was on a list of known content, a restricted report. Ledger: download. Memory: the budgets' bytes, and the rows of the shard; what
 * waits for a slow URL before it goes to disk.
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
  const known: KnownEntry[] = [];
  const times: RowOf<typeof TIMES_COLUMNS>[] = [];
  const writer = await createShardWriter(ctx.storage, task.folder, task.index, options);
  const watch: Omit<ImageWatch, 'underWay' | 'hungry'> = {
    ...task,
    turnstile: engines.turnstile,
    journal: (row) => engines.journal(task.index, row),
  };
  await using shelf = engines.shelf();
  let at = 0;
  try {
    const admit = async ({ stored }: ShardRow) => {
      if (!stored) await engines.intake.admit();
    };
    const sample = async (row: ShardRow): Promise<Sample> => {
      const place = at++;
      const { record, image, known } = row.stored ?? {};
      if (record) return { record, image: image ? await shelf.put(image) : null, facts: undefined, known };
      return download(row, place, sampleKey(task.index, place, options));
    };
    // Any number of rows may be done before the first of them: a URL that stalls holds up what is written, and no more.
    for await (const done of mapOrdered(rows, Number.POSITIVE_INFINITY, sample, admit)) {
      const { record, image: shelved, facts } = done;
      if (done.known !== undefined) known.push({ id: String(record.key), detail: done.known });
      const image = shelved && (await shelved.take());
      await writer.add(record, image);
      if (image && options.outputFormat !== 'parquet') freeBytes(image);
      counter.add(record);
      count(ledger, record);
      if (facts) times.push({ key: String(record.key), ...fetchTimes(facts) });
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
    if (known.length > 0) {
      const report = `${task.folder}/${files.knownContent}`;
      const info = await writeKnownContent(ctx.storage, report, known, 'key');
      written.push({ ...info, path: files.knownContent });
    }
    return { files: written, ledgers: { download: ledger.ledger() }, facts: { rows: at } };
  } catch (error) {
    await writer.abort();
    throw error;
  }

  async function download({ input }: ShardRow, place: number, key: string): Promise<Sample> {
    const { url } = input;
    const { facts, ...fetched } = await engines.intake.fetch(async (): Promise<FetchOutcome> => {
      ctx.signal.throwIfAborted();
      if (typeof url !== 'string') return dropped('no_url');
      return engines.known?.refuseUrl(url) ?? engines.images.get(url, ctx.signal);
    });
    const of = async (result: SampleResult, image?: Uint8Array): Promise<Sample> => {
      ctx.progress(1);
      const record = sampleRecord(input, key, result, options);
      return { record, image: image ? await shelf.put(image) : null, facts };
    };
    const refused = async (why: Dropped): Promise<Sample> => {
      if (why.reason !== 'known_content') return of(failed(why, facts));
      ctx.progress(1);
      const nothing = Object.fromEntries(options.columns.map(({ name }) => [name, null]));
      const record = sampleRecord(nothing, key, failed({ ...why, detail: '' }, undefined), options);
      return { record, image: null, facts: undefined, known: why.detail };
    };
    if (!fetched.kept) return refused(fetched);
    const { bytes } = fetched.value;
    const { length } = bytes;
    const listed = engines.known?.refuseBytes(bytes);
    if (listed) freeBytes(bytes);
    const made = listed ?? (await workOnImage(watch, place, () => engines.make(bytes)));
    engines.intake.done(length);
    if (!made.kept) return refused(made);
    const { bytes: image, ...rest } = made.value;
    const success = { status: 'success', errorMessage: null, reason: null, detail: null } as const;
    return of({ ...success, ...rest, facts: facts ?? null }, image);
  }
}

function failed(outcome: Dropped, facts: FetchFacts | undefined): SampleResult {
  return {
    status: failedStatus(outcome),
    errorMessage: errorMessage(outcome),
    width: null,
    height: null,
    originalWidth: null,
    originalHeight: null,
    exif: null,
    hash: null,
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
