import {
  boundsOf,
  type ColumnValues,
  countValues,
  createParquetWriter,
  type FixedValues,
  plainStrings,
  stringBytes,
  TableBuilder,
} from '../formats/index.ts';
import type { DroppedRow } from '../schema/index.ts';
import type { ByteSink } from '../storage/index.ts';
import { DROPPED_COLUMNS, droppedRecord, PAIR_COLUMNS, REPEATED_COLUMNS } from './tables.ts';

/** Rows that are held before they are written as one row group: memory does not grow with what is dropped. */
const GROUP_ROWS = 10_000;
/** Texts and URLs are cut to this length in the trail, in UTF-16 code units: a data: URL can be a whole image. */
export const MAX_LISTED_CHARS = 2048;

const CUT_COLUMNS: ReadonlySet<string> = new Set(['url', 'text']);

export interface TrailWriter {
  add(row: DroppedRow): void;
  /** Whether so much is held that `flush` is due. */
  readonly full: boolean;
  /** Writes what is held as one row group. */
  flush(): Promise<void>;
  /**
   * Adds pairs as one row group.
   * @param pairs one for each column of pairs
   * @param reasons a `Reason` for each row
   * @param details one for each row
   * @param similarities one for each row. @default null for all
   */
  addPairs(
    pairs: readonly ColumnValues[],
    reasons: ColumnValues,
    details: ColumnValues,
    similarities?: FixedValues,
  ): Promise<void>;
  finish(): Promise<void>;
}

/**
 * Writes the dropped trail of a task, of every stage that drops pairs: rows in the order in which they are added, URLs
 * and texts cut at 2,048 characters, at most 10,000 rows in memory.
 */
export function createTrailWriter(sink: ByteSink): TrailWriter {
  const writer = createParquetWriter(sink, DROPPED_COLUMNS);
  const table = new TableBuilder(DROPPED_COLUMNS, new Set([...REPEATED_COLUMNS, 'reason', 'detail']));
  async function flush(): Promise<void> {
    if (table.rows > 0) await writer.writeColumns(table.values());
    table.clear();
  }
  return {
    add(row) {
      table.add(droppedRecord({ ...row, url: cut(row.url), text: cut(row.text) }));
    },
    get full() {
      return table.rows >= GROUP_ROWS;
    },
    flush,
    async addPairs(pairs, reasons, details, similarities) {
      await flush();
      const columns = pairs.map((values, c) =>
        CUT_COLUMNS.has(PAIR_COLUMNS[c]?.name ?? '') ? cutLong(values) : values,
      );
      const similarity = similarities
        ? { values: similarities, statistics: boundsOf(similarities, 'double') }
        : ({ kind: 'null', rows: countValues(reasons) } as const);
      await writer.writeColumns([...columns, reasons, details, similarity]);
    },
    async finish() {
      await flush();
      await writer.finish();
    },
  };
}

/** A URL or a text as the trail has it. */
export function cut(text: string): string {
  return text.length > MAX_LISTED_CHARS ? `${text.slice(0, MAX_LISTED_CHARS - 1)}…`.toWellFormed() : text;
}

function cutLong(values: ColumnValues): ColumnValues {
  if (values.kind === 'dictionary') {
    const dictionary = cutLong(values.dictionary);
    return dictionary.kind === 'plain' ? { ...values, dictionary } : values;
  }
  if (values.kind !== 'plain') return values;
  const { offsets } = values;
  // A text has at least as many bytes as code units: none that is to be cut is shorter.
  const isLong = (end: number, i: number) => i > 0 && end - (offsets[i - 1] ?? 0) - 4 > MAX_LISTED_CHARS;
  if (!offsets.some(isLong)) return values;
  const texts = Array.from({ length: offsets.length - 1 }, (_, row) =>
    Buffer.from(stringBytes(values, row) ?? []).toString(),
  );
  return plainStrings(texts.map(cut));
}
