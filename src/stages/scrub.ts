import {
  type Column,
  createParquetWriter,
  npyInfo,
  parquetInfo,
  type RowOf,
  readParquetRowGroup,
  readParquetRows,
} from '../formats/index.ts';
import type { Tombstones } from '../safety/index.ts';
import { type FileInfo, type Storage, withSource } from '../storage/index.ts';
import { FETCHED_COLUMNS } from './fetched.ts';
import { HARVEST_COLUMNS, type HarvestFiles } from './harvested.ts';
import { DROPPED_COLUMNS, EXTRACTED_COLUMNS, PAIR_COLUMNS } from './tables.ts';
import { writeFile } from './write-file.ts';

/*
 * Takes what was taken down out of the files that a run works with. Rows stay where they are, so that rows of other
 * files still belong to them, with their uid and nothing else: no URL, no text, no hash of the picture, no picture.
 */

/** What is left of a pair. The reason why it was dropped, where it was, says nothing of it. */
const BLANK_PAIR = {
  url: '',
  text: '',
  page_url: '',
  wat: '',
  license: '',
  language: '',
  language_confidence: 0,
};
/** What is left of a kept one. `nsfw` has to be one of its three. */
const BLANK_ROW = {
  ...BLANK_PAIR,
  ...{ width: 0, height: 0, stored_width: 0, stored_height: 0 },
  ...{ format: '', sha256: '', phash: '', nsfw: 'UNLIKELY', tags: '', similarity: 0, image_bytes: 0 },
  harvested_at: '',
};

/** Copies a file without what was taken down; undefined, and nothing is written, where it holds nothing of it. */
export type Scrub = (storage: Storage, from: string, to: string) => Promise<FileInfo | undefined>;

/**
 * How a file of extract, of dedup or a single one of harvest is scrubbed; undefined for what names no pair but by its
 * uid. What belongs together row for row is `scrubShard`'s.
 */
export function scrubOf(path: string, tombstones: Tombstones): Scrub | undefined {
  if (!path.endsWith('.parquet')) return undefined;
  // What harvest goes by has to be blank for those pairs alone that it refuses by their uid.
  if (path.startsWith('unique/'))
    return (storage, from, to) =>
      scrubPairs(storage, from, to, (row) =>
        row.url !== '' && tombstones.uids.has(row.uid) ? { ...row, ...BLANK_PAIR } : undefined,
      );
  if (path.startsWith('pairs/'))
    return (storage, from, to) =>
      scrubPairs(storage, from, to, (row) => {
        if (row.url === '') return undefined;
        if (tombstones.uids.has(row.uid) || tombstones.namesUrl(row.url)) return { ...row, ...BLANK_PAIR };
        // A repetition of a pair that was first seen elsewhere, and stays: rows of one uid have one URL and text.
        return row.page_url !== '' && tombstones.namesUrl(row.page_url)
          ? { ...row, page_url: '', wat: '' }
          : undefined;
      });
  if (path.endsWith('/dropped.parquet') || path.startsWith('dropped/')) {
    // A retry looks for the pairs of a shard by their uids, nobody for others.
    const uid = path.startsWith('dropped/') ? { uid: '' } : {};
    return (storage, from, to) =>
      scrubRows(storage, from, to, DROPPED_COLUMNS, (row) =>
        row.url !== '' && tombstones.names(row) ? { ...row, ...BLANK_PAIR, ...uid, detail: '' } : undefined,
      );
  }
  if (path.endsWith('/fetched.parquet'))
    return (storage, from, to) =>
      scrubRows(storage, from, to, FETCHED_COLUMNS, (row) =>
        row.host !== '' && tombstones.uids.has(row.uid)
          ? { ...row, host: '', final_url: null, detail: null }
          : undefined,
      );
  return undefined;
}

/** Files of pairs have their uid as bytes, or as text. */
async function scrubPairs(
  storage: Storage,
  from: string,
  to: string,
  change: (row: RowOf<typeof PAIR_COLUMNS>) => RowOf<typeof PAIR_COLUMNS> | undefined,
): Promise<FileInfo | undefined> {
  const info = await withSource(storage, from, (source) => parquetInfo(source, from));
  const asBytes = info.columns.some(({ name, type }) => name === 'uid' && type === 'hash128');
  return asBytes
    ? scrubRows<typeof EXTRACTED_COLUMNS>(storage, from, to, EXTRACTED_COLUMNS, change)
    : scrubRows(storage, from, to, PAIR_COLUMNS, change);
}

/**
 * Copies a table with some rows changed: the same row groups, the same key-value metadata. Memory: one row group.
 * @param change undefined where the row stays
 */
async function scrubRows<const C extends readonly Column[]>(
  storage: Storage,
  from: string,
  to: string,
  columns: C,
  change: (row: RowOf<C>) => RowOf<C> | undefined,
): Promise<FileInfo | undefined> {
  return withSource(storage, from, async (source) => {
    const info = await parquetInfo(source, from);
    let found = false;
    for await (const row of readParquetRows(source, columns, { name: from, info })) {
      found = change(row) !== undefined;
      if (found) break;
    }
    if (!found) return undefined;
    return writeFile(storage, to, async (sink) => {
      const writer = createParquetWriter(sink, columns, { kvMetadata: Object.fromEntries(info.kvMetadata) });
      for (const group of info.rowGroups.keys()) {
        const rows = await readParquetRowGroup(source, columns, group, { name: from, info });
        await writer.writeRowGroup(rows.map((row) => change(row) ?? row));
      }
      await writer.finish();
    });
  });
}

/** A range of bytes of a file: [start, end). */
type Span = readonly [start: number, end: number];

/**
 * Copies those files of a harvested shard that belong together row for row without what was taken down: rows are blank,
 * and where pictures and embeddings were, there are zeros.
 *
 * @param at where the copy of a file goes
 * @returns the files written, with the paths of the copies; empty where there is nothing of it in the shard
 */
export async function scrubShard(
  storage: Storage,
  files: HarvestFiles,
  at: (path: string) => string,
  tombstones: Tombstones,
): Promise<FileInfo[]> {
  const rows: number[] = [];
  const pictures: Span[] = [];
  await withSource(storage, files.rows, async (source) => {
    let number = 0;
    for await (const row of readParquetRows(source, HARVEST_COLUMNS, { name: files.rows })) {
      if (row.url !== '' && tombstones.uids.has(row.uid)) {
        rows.push(number);
        const start = Number(row.image_offset);
        pictures.push([start, start + row.image_bytes]);
      }
      number++;
    }
  });
  if (rows.length === 0) return [];
  const written = [await writeZeroed(storage, files.images, at(files.images), pictures)];
  for (const path of [files.imageEmbeddings, files.textEmbeddings]) {
    const spans = await withSource(storage, path, async (source) => {
      const { dataOffset, columns, dtype } = await npyInfo(source, path);
      const bytes = columns * (dtype === 'float16' ? 2 : 4);
      return rows.map((row): Span => [dataOffset + row * bytes, dataOffset + (row + 1) * bytes]);
    });
    written.push(await writeZeroed(storage, path, at(path), spans));
  }
  const blank = await scrubRows(storage, files.rows, at(files.rows), HARVEST_COLUMNS, (row) =>
    row.url !== '' && tombstones.uids.has(row.uid) ? { ...row, ...BLANK_ROW } : undefined,
  );
  return blank ? [...written, blank] : written;
}

/** Copies a file with zeros in some places. */
function writeZeroed(
  storage: Storage,
  from: string,
  to: string,
  /** Ascending. */
  spans: readonly Span[],
): Promise<FileInfo> {
  return writeFile(storage, to, async (sink) => {
    let position = 0;
    let next = 0;
    for await (const chunk of storage.stream(from)) {
      const bytes = Uint8Array.from(chunk);
      const end = position + bytes.length;
      for (let i = next; i < spans.length && (spans[i]?.[0] ?? end) < end; i++) {
        const [first = 0, last = 0] = spans[i] ?? [];
        bytes.fill(0, Math.max(0, first - position), Math.min(bytes.length, last - position));
        if (last <= end) next = i + 1;
      }
      await sink.write(bytes);
      position = end;
    }
  });
}
