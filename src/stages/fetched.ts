import { type Column, createParquetWriter, type RowOf, TableBuilder } from '../formats/index.ts';
import type { Dropped, FetchFacts, Pair } from '../schema/index.ts';
import type { ByteSink } from '../storage/index.ts';
import { FETCH_TIME_COLUMNS, fetchTimes } from './fetch-times.ts';
import { cut } from './trail.ts';

/**
 * Columns of a harvested shard's fetched.parquet: what fetching each pair's image took, in the order of the pairs. Times
 * are of one run: nothing that a release is made of comes from here.
 */
export const FETCHED_COLUMNS = [
  { name: 'uid', type: 'string' },
  /** Null where the pair was kept. */
  { name: 'reason', type: 'string', nullable: true },
  { name: 'detail', type: 'string', nullable: true },
  { name: 'http_status', type: 'int32', nullable: true },
  /** That was asked last: it answered, or failed to. */
  { name: 'host', type: 'string' },
  /** Null where it is the pair's own. */
  { name: 'final_url', type: 'string', nullable: true },
  { name: 'tries', type: 'int32' },
  { name: 'fetched_bytes', type: 'int64' },
  ...FETCH_TIME_COLUMNS,
] as const satisfies readonly Column[];

export type FetchedRecord = RowOf<typeof FETCHED_COLUMNS>;
/** A record but what became of the pair afterwards. */
export type FetchedFacts = Omit<FetchedRecord, 'reason' | 'detail'>;

/** Rows that are held before they are written as one row group. */
const GROUP_ROWS = 10_000;

export interface FetchedWriter {
  /** @param failed what the pair was dropped for, at any step; undefined where it was kept */
  add(facts: FetchedFacts, failed: Pick<Dropped, 'reason' | 'detail'> | undefined): Promise<void>;
  finish(): Promise<void>;
}

/** Writes the ledger of a harvest, with at most 10,000 rows in memory. */
export function createFetchedWriter(sink: ByteSink): FetchedWriter {
  const writer = createParquetWriter(sink, FETCHED_COLUMNS);
  const table = new TableBuilder(FETCHED_COLUMNS, new Set(['host'] as const));
  async function flush(): Promise<void> {
    if (table.rows > 0) await writer.writeColumns(table.values());
    table.clear();
  }
  return {
    async add(facts, failed) {
      table.add({ ...facts, reason: failed?.reason ?? null, detail: failed?.detail ?? null });
      if (table.rows >= GROUP_ROWS) await flush();
    },
    async finish() {
      await flush();
      await writer.finish();
    },
  };
}

/** What it took to fetch a pair's image, as its row says it. URLs are cut as in the trail. */
export function fetchedFacts({ uid, url }: Pair, facts: FetchFacts): FetchedFacts {
  return {
    uid,
    http_status: facts.status,
    host: URL.parse(facts.finalUrl)?.host ?? '',
    final_url: facts.finalUrl === url ? null : cut(facts.finalUrl),
    tries: facts.tries,
    fetched_bytes: BigInt(facts.wireBytes),
    ...fetchTimes(facts),
  };
}
