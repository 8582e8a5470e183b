import {
  boundsOf,
  ColumnBuffer,
  type ColumnValues,
  createParquetWriter,
  type FixedValues,
  type ParquetWriter,
  plainDigits,
  sliceColumn,
} from '../formats/index.ts';
import type { ByteSink } from '../storage/index.ts';
import type { HarvestColumn } from './harvested.ts';
import { KEY_DIGITS, RELEASE_COLUMNS } from './released.ts';
import type { ColumnsByName } from './sample-json.ts';

/** Rows of a row group: enough to compress well, few enough to hold. */
const ROWS_PER_GROUP = 50_000;

/** Which column of a harvested shard each released one is; those that the release gives have none. */
const SOURCES: Readonly<Record<(typeof RELEASE_COLUMNS)[number]['name'], HarvestColumn | 'id' | 'key'>> = {
  SAMPLE_ID: 'id',
  URL: 'url',
  TEXT: 'text',
  HEIGHT: 'height',
  WIDTH: 'width',
  LICENSE: 'license',
  NSFW: 'nsfw',
  similarity: 'similarity',
  language: 'language',
  language_confidence: 'language_confidence',
  page_url: 'page_url',
  uid: 'uid',
  sha256: 'sha256',
  phash: 'phash',
  format: 'format',
  stored_width: 'stored_width',
  stored_height: 'stored_height',
  wat: 'wat',
  harvested_at: 'harvested_at',
  key: 'key',
  tags: 'tags',
};

/** Columns of a harvested shard that a release has. */
export type ReleasedColumn = Exclude<(typeof SOURCES)[keyof typeof SOURCES], 'id' | 'key'>;

/** Writes released metadata from columns of harvested shards, without making rows of them. Holds one row group. */
export class ReleasedTable {
  readonly #writer: ParquetWriter<typeof RELEASE_COLUMNS>;
  readonly #columns = RELEASE_COLUMNS.map(({ name, type }) => ({
    source: SOURCES[name],
    type,
    buffer: new ColumnBuffer(),
  }));
  #held = 0;

  constructor(sink: ByteSink) {
    this.#writer = createParquetWriter(sink, RELEASE_COLUMNS, { codec: 'SNAPPY' });
  }

  /** @param sampleIds of the rows, one for each */
  async add(columns: ColumnsByName<ReleasedColumn>, sampleIds: BigInt64Array): Promise<void> {
    const rows = sampleIds.length;
    for (let from = 0; from < rows; ) {
      const to = Math.min(rows, from + ROWS_PER_GROUP - this.#held);
      const ids = sampleIds.subarray(from, to);
      for (const { source, buffer } of this.#columns)
        buffer.append(
          source === 'id'
            ? integers(ids)
            : source === 'key'
              ? plainDigits(ids, KEY_DIGITS)
              : slice(columns[source], from, to, rows),
        );
      this.#held += to - from;
      from = to;
      if (this.#held === ROWS_PER_GROUP) await this.#flush();
    }
  }

  /** @returns rows written */
  async finish(): Promise<number> {
    await this.#flush();
    await this.#writer.finish();
    return this.#writer.rows;
  }

  async #flush(): Promise<void> {
    if (this.#held === 0) return;
    await this.#writer.writeColumns(
      this.#columns.map(({ type, buffer }) => {
        const values = buffer.values();
        return values.kind === 'fixed' ? { values, statistics: boundsOf(values, type) } : { values };
      }),
    );
    for (const { buffer } of this.#columns) buffer.clear();
    this.#held = 0;
  }
}

function slice(values: ColumnValues, from: number, to: number, rows: number): ColumnValues {
  return from === 0 && to === rows ? values : sliceColumn(values, from, to);
}

function integers(ids: BigInt64Array): FixedValues {
  return { kind: 'fixed', width: 8, bytes: new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength) };
}
