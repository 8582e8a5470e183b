import {
  type Column,
  createParquetWriter,
  type RowOf,
  readParquetRows,
  TableBuilder,
} from '../formats/index.ts';
import {
  type Dropped,
  dropped,
  type FetchFacts,
  type FetchOutcome,
  GleanerError,
  isReason,
  type Pair,
} from '../schema/index.ts';
import type { ByteSink, ByteSource } from '../storage/index.ts';
import { fetchTimes } from './fetch-times.ts';

/** The files that a task of fetch leaves. */
export interface FetchedFiles {
  /** Images as they came. */
  readonly images: string;
  /** What became of each pair. */
  readonly outcomes: string;
  /** What was on a list of known content: only where something was, and for its owner alone. */
  readonly knownContent: string;
}

/** Where the files of a task of fetch lie, by its folder. */
export function fetchedFiles(folder: string): FetchedFiles {
  return {
    images: `${folder}/images.tar`,
    outcomes: `${folder}/outcomes.parquet`,
    knownContent: `${folder}/known-content.jsonl`,
  };
}

/** Columns of outcomes.parquet: a row for each pair, in their order; none for known content, which is not named here. */
export const OUTCOME_COLUMNS = [
  /** Of the pair in its file of unique/; nine digits of it name the image in the tar. */
  { name: 'row', type: 'int32' },
  { name: 'uid', type: 'string' },
  /** Null where there is an image. */
  { name: 'reason', type: 'string', nullable: true },
  { name: 'detail', type: 'string', nullable: true },
  /** Of the image's bytes in the tar; null where there is none, as the next three. */
  { name: 'offset', type: 'int64', nullable: true },
  { name: 'length', type: 'int32', nullable: true },
  { name: 'sha256', type: 'string', nullable: true },
  /** Milliseconds since 1970; null too where an archive does not say. */
  { name: 'fetched_at', type: 'int64', nullable: true },
  /** That was asked last; null where it is the pair's own, or nobody says. */
  { name: 'final_url', type: 'string', nullable: true },
  // What fetching took: null where images come from an archive.
  { name: 'http_status', type: 'int32', nullable: true },
  { name: 'tries', type: 'int32', nullable: true },
  { name: 'wire_bytes', type: 'int64', nullable: true },
  { name: 'queue_ms', type: 'int32', nullable: true },
  { name: 'dns_ms', type: 'int32', nullable: true },
  { name: 'connect_ms', type: 'int32', nullable: true },
  { name: 'first_byte_ms', type: 'int32', nullable: true },
  { name: 'total_ms', type: 'int32', nullable: true },
] as const satisfies readonly Column[];

export type OutcomeRecord = RowOf<typeof OUTCOME_COLUMNS>;

/** An image that lies in the tar. */
export interface FetchedMember {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
  readonly fetchedAt: number | undefined;
  readonly finalUrl: string;
}

/** What became of a pair: an image in the tar, or a reason. */
export type FetchedFate = (({ readonly kept: true } & FetchedMember) | Dropped) & {
  readonly facts?: FetchFacts | undefined;
};

/** Rows that are held before they are written as one row group. */
const GROUP_ROWS = 10_000;

export interface OutcomeWriter {
  add(pair: Pair, row: number, fate: FetchedFate): Promise<void>;
  finish(): Promise<void>;
}

/** Writes outcomes.parquet, with at most 10,000 rows in memory. */
export function createOutcomeWriter(sink: ByteSink): OutcomeWriter {
  const writer = createParquetWriter(sink, OUTCOME_COLUMNS);
  const table = new TableBuilder(OUTCOME_COLUMNS, new Set());
  async function flush(): Promise<void> {
    if (table.rows > 0) await writer.writeColumns(table.values());
    table.clear();
  }
  return {
    async add(pair, row, fate) {
      table.add(outcomeRecord(pair, row, fate));
      if (table.rows >= GROUP_ROWS) await flush();
    },
    async finish() {
      await flush();
      await writer.finish();
    },
  };
}

function outcomeRecord({ uid, url }: Pair, row: number, fate: FetchedFate): OutcomeRecord {
  const { facts } = fate;
  const image = fate.kept ? fate : undefined;
  const finalUrl = image?.finalUrl ?? facts?.finalUrl ?? url;
  return {
    row,
    uid,
    reason: fate.kept ? null : fate.reason,
    detail: fate.kept ? null : fate.detail,
    offset: image ? BigInt(image.offset) : null,
    length: image?.length ?? null,
    sha256: image?.sha256 ?? null,
    fetched_at: image?.fetchedAt === undefined ? null : BigInt(Math.floor(image.fetchedAt)),
    final_url: finalUrl === url ? null : finalUrl,
    http_status: facts?.status ?? null,
    tries: facts?.tries ?? null,
    wire_bytes: facts ? BigInt(facts.wireBytes) : null,
    ...(facts ? fetchTimes(facts) : NO_TIMES),
  };
}

const NO_TIMES = { queue_ms: null, dns_ms: null, connect_ms: null, first_byte_ms: null, total_ms: null };

/** The rows of outcomes.parquet. @throws GleanerError DAMAGED */
export function readOutcomes(
  source: ByteSource,
  path: string,
): AsyncGenerator<OutcomeRecord, void, undefined> {
  return readParquetRows(source, OUTCOME_COLUMNS, { name: path });
}

/**
 * What became of a pair, as its row says it.
 * @param url of the pair
 * @param path for the message
 * @throws GleanerError DAMAGED
 */
export function parseOutcome(record: OutcomeRecord, url: string, path: string): FetchedFate {
  const finalUrl = record.final_url ?? url;
  const facts = parseFacts(record, finalUrl);
  if (record.reason !== null) {
    if (!isReason(record.reason))
      throw new GleanerError('DAMAGED', {
        path,
        problem: `'${record.reason}' is no reason that this version knows.`,
      });
    return { ...dropped(record.reason, record.detail ?? ''), ...(facts && { facts }) };
  }
  const { offset, length, sha256, fetched_at } = record;
  if (offset === null || length === null || sha256 === null)
    throw new GleanerError('DAMAGED', { path, problem: `row ${record.row} has neither image nor reason.` });
  const fetchedAt = fetched_at === null ? undefined : Number(fetched_at);
  const image = { offset: Number(offset), length, sha256, fetchedAt, finalUrl };
  return { kept: true, ...image, ...(facts && { facts }) };
}

function parseFacts(record: OutcomeRecord, finalUrl: string): FetchOutcome['facts'] {
  if (record.tries === null) return undefined;
  return {
    status: record.http_status,
    finalUrl,
    tries: record.tries,
    wireBytes: Number(record.wire_bytes ?? 0n),
    queueMs: record.queue_ms ?? 0,
    dnsMs: record.dns_ms ?? 0,
    connectMs: record.connect_ms ?? 0,
    firstByteMs: record.first_byte_ms ?? 0,
    totalMs: record.total_ms ?? 0,
  };
}
