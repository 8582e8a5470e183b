import { createParquetWriter } from '../formats/index.ts';
import type { DroppedRow } from '../schema/index.ts';
import type { ByteSink } from '../storage/index.ts';
import { DROPPED_COLUMNS, type DroppedRecord, droppedRecord } from './tables.ts';

/** Rows that are held before they are written as one row group: memory does not grow with what is dropped. */
const GROUP_ROWS = 10_000;
/** Texts and URLs are cut to this length in the trail, in UTF-16 code units: a data: URL can be a whole image. */
const MAX_FIELD_CHARS = 2048;

export interface TrailWriter {
  add(row: DroppedRow): Promise<void>;
  finish(): Promise<void>;
}

/** Writes the dropped trail of a task. */
export function createTrailWriter(sink: ByteSink): TrailWriter {
  const writer = createParquetWriter(sink, DROPPED_COLUMNS);
  let held: DroppedRecord[] = [];
  async function flush(): Promise<void> {
    await writer.writeRowGroup(held);
    held = [];
  }
  return {
    async add(row) {
      held.push(droppedRecord({ ...row, url: cut(row.url), text: cut(row.text) }));
      if (held.length >= GROUP_ROWS) await flush();
    },
    async finish() {
      await flush();
      await writer.finish();
    },
  };
}

function cut(text: string): string {
  return text.length > MAX_FIELD_CHARS ? `${text.slice(0, MAX_FIELD_CHARS - 1)}…`.toWellFormed() : text;
}
