import { createParquetWriter, TableBuilder } from '../formats/index.ts';
import type { Pair } from '../schema/index.ts';
import type { ByteSink } from '../storage/index.ts';
import { bucketOf, EXTRACTED_COLUMNS, pairRecord, REPEATED_COLUMNS } from './tables.ts';

/** Key-value metadata of pairs/*.parquet: which bucket each row group holds (JSON array), and how many there are. */
export const BUCKETS_KEY = 'gleaner.buckets';
export const BUCKET_COUNT_KEY = 'gleaner.bucket_count';

/**
 * Bytes of pairs that are held before they are written: a WAT file of Common Crawl has some 50 MB of them, and so one
 * row group for each bucket; one of any size takes no more memory than this.
 */
const HELD_BYTES = 64 << 20;

export interface PairWriter {
  add(pair: Pair): void;
  /** Whether so much is held that `flush` is due. */
  readonly full: boolean;
  /** Writes what is held: a row group for each bucket, in the order of the buckets, rows in the order they came. */
  flush(): Promise<void>;
  finish(): Promise<void>;
}

/**
 * Writes pairs parted into hash buckets.
 * @param heldBytes of pairs, after which `full` says so
 */
export function createPairWriter(sink: ByteSink, buckets: number, heldBytes = HELD_BYTES): PairWriter {
  const writer = createParquetWriter(sink, EXTRACTED_COLUMNS);
  const table = new TableBuilder(EXTRACTED_COLUMNS, REPEATED_COLUMNS);
  const groups: number[] = [];
  let bucketOfRow = new Uint32Array(1 << 10);

  async function flush(): Promise<void> {
    for (const { bucket, picks } of partRows(bucketOfRow.subarray(0, table.rows), buckets)) {
      // All in one bucket: nothing to pick.
      await writer.writeColumns(table.values(buckets === 1 ? undefined : picks));
      groups.push(bucket);
    }
    table.clear();
  }

  return {
    add(pair) {
      if (table.rows === bucketOfRow.length) {
        const larger = new Uint32Array(2 * bucketOfRow.length);
        larger.set(bucketOfRow);
        bucketOfRow = larger;
      }
      bucketOfRow[table.rows] = bucketOf(pair.uid, buckets);
      table.add(pairRecord(pair));
    },
    get full() {
      return table.bytes >= heldBytes;
    },
    flush,
    async finish() {
      await flush();
      await writer.finish({ [BUCKETS_KEY]: JSON.stringify(groups), [BUCKET_COUNT_KEY]: String(buckets) });
    },
  };
}

/** The rows of each bucket that has any, in their order. */
function* partRows(
  bucketOfRow: Uint32Array,
  buckets: number,
): Generator<{ readonly bucket: number; readonly picks: Uint32Array }> {
  const ends = new Uint32Array(buckets + 1);
  for (const bucket of bucketOfRow) ends[bucket + 1] = (ends[bucket + 1] ?? 0) + 1;
  for (let bucket = 0; bucket < buckets; bucket++)
    ends[bucket + 1] = (ends[bucket + 1] ?? 0) + (ends[bucket] ?? 0);
  const starts = ends.slice();
  const rows = new Uint32Array(bucketOfRow.length);
  for (let row = 0; row < rows.length; row++) {
    const bucket = bucketOfRow[row] ?? 0;
    const at = starts[bucket] ?? 0;
    rows[at] = row;
    starts[bucket] = at + 1;
  }
  for (let bucket = 0; bucket < buckets; bucket++) {
    const picks = rows.subarray(ends[bucket], ends[bucket + 1]);
    if (picks.length > 0) yield { bucket, picks };
  }
}
