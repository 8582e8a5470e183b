import { type Column, type RowOf, readParquetRows } from '../formats/index.ts';
import { GleanerError, type HarvestRow, type Nsfw } from '../schema/index.ts';
import { type Storage, streamSource } from '../storage/index.ts';
import { PAIR_COLUMNS, parsePair } from './tables.ts';

/** The files that a harvested shard consists of. */
export interface HarvestFiles {
  readonly rows: string;
  readonly images: string;
  readonly imageEmbeddings: string;
  readonly textEmbeddings: string;
  readonly dropped: string;
  readonly fetched: string;
  /** What was on a list of known content: only where something was, and for its owner alone. */
  readonly knownContent: string;
}

/** Where the files of a harvested shard lie, by the folder of the shard. */
export function harvestFiles(folder: string): HarvestFiles {
  return {
    rows: `${folder}/rows.parquet`,
    images: `${folder}/images.tar`,
    imageEmbeddings: `${folder}/img_emb.npy`,
    textEmbeddings: `${folder}/text_emb.npy`,
    dropped: `${folder}/dropped.parquet`,
    fetched: `${folder}/fetched.parquet`,
    knownContent: `${folder}/known-content.jsonl`,
  };
}

/** Those that a release is made of: while they are the same, so is the release. */
export function releasedFiles(files: HarvestFiles): readonly string[] {
  return [files.rows, files.images, files.imageEmbeddings, files.textEmbeddings];
}

/** Columns of rows.parquet: a `HarvestRow`, and where its image lies in images.tar. */
export const HARVEST_COLUMNS = [
  ...PAIR_COLUMNS,
  { name: 'width', type: 'int32' },
  { name: 'height', type: 'int32' },
  { name: 'stored_width', type: 'int32' },
  { name: 'stored_height', type: 'int32' },
  { name: 'format', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'phash', type: 'string' },
  { name: 'nsfw', type: 'string' },
  { name: 'tags', type: 'string' },
  { name: 'similarity', type: 'double' },
  { name: 'harvested_at', type: 'string' },
  { name: 'image_offset', type: 'int64' },
  { name: 'image_bytes', type: 'int32' },
] as const satisfies readonly Column[];

export type HarvestColumn = (typeof HARVEST_COLUMNS)[number]['name'];

/** A member of a tar: where its bytes begin, and how many there are. */
export interface StoredImage {
  readonly offset: number;
  readonly bytes: number;
}

export function harvestRecord(row: HarvestRow, image: StoredImage): RowOf<typeof HARVEST_COLUMNS> {
  const { pageUrl, languageConfidence, storedWidth, storedHeight, harvestedAt, ...same } = row;
  return {
    ...same,
    page_url: pageUrl,
    language_confidence: languageConfidence,
    stored_width: storedWidth,
    stored_height: storedHeight,
    harvested_at: harvestedAt,
    image_offset: BigInt(image.offset),
    image_bytes: image.bytes,
  };
}

/**
 * The rows of a harvested shard, with the bytes of their stored images.
 *
 * @throws GleanerError DAMAGED
 */
export async function* readHarvested(
  storage: Storage,
  files: HarvestFiles,
): AsyncGenerator<{ readonly row: HarvestRow; readonly image: Uint8Array }, void, undefined> {
  yield* streamSource(storage, files.images, (images) =>
    streamSource(storage, files.rows, async function* (rows) {
      for await (const record of readParquetRows(rows, HARVEST_COLUMNS, { name: files.rows })) {
        const offset = Number(record.image_offset);
        const image = new Uint8Array(await images.slice(offset, offset + record.image_bytes));
        yield { row: parseRow(record, files.rows), image };
      }
    }),
  );
}

function parseRow(record: RowOf<typeof HARVEST_COLUMNS>, path: string): HarvestRow {
  return {
    ...parsePair(record, path),
    width: record.width,
    height: record.height,
    storedWidth: record.stored_width,
    storedHeight: record.stored_height,
    format: record.format,
    sha256: record.sha256,
    phash: record.phash,
    nsfw: parseNsfw(record.nsfw, path),
    tags: record.tags,
    similarity: record.similarity,
    harvestedAt: record.harvested_at,
  };
}

function parseNsfw(value: string, path: string): Nsfw {
  if (isNsfw(value)) return value;
  throw new GleanerError('DAMAGED', { path, problem: `'${value}' is no NSFW class.` });
}

export function isNsfw(value: string): value is Nsfw {
  return value === 'UNLIKELY' || value === 'UNSURE' || value === 'NSFW';
}
