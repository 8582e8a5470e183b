import {
  type Column,
  createParquetWriter,
  NPY_HEADER_BYTES,
  npyHeader,
  type RowOf,
  readParquetRows,
} from '../../formats/index.ts';
import { type FileInfo, type Storage, streamSource } from '../../storage/index.ts';
import { writeFile } from '../write-file.ts';
import { cellFor, flattenMetadata, MetadataColumns } from './metadata-columns.ts';
import type { EmbedParts } from './sample.ts';
import { SEGMENT_COLUMNS, SEGMENT_FILES } from './segment.ts';

/** Rows of a row group, which is what readers and this writer hold in memory. */
const GROUP_ROWS = 10_000;

/** A segment as it lies in the folder of a run. */
export interface SegmentPlace {
  readonly folder: string;
  readonly rows: number;
}

export interface PartShape {
  /** Number of the part as its files carry it, zeros before it. */
  readonly number: string;
  readonly dimension: number;
  readonly parts: EmbedParts;
}

/**
 * Puts segments together to a part in clip-retrieval's layout: img_emb/img_emb_N.npy and text_emb/text_emb_N.npy (float16,
 * rows × dimension), metadata/metadata_N.parquet. The same rows give the same bytes, however segments were cut.
 */
export async function writePart(
  storage: Storage,
  segments: readonly SegmentPlace[],
  { number, dimension, parts }: PartShape,
): Promise<readonly FileInfo[]> {
  const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
  if (rows === 0) return [];
  const matrix = (path: string, name: string) =>
    writeFile(storage, path, async (sink) => {
      await sink.write(npyHeader({ dtype: 'float16', rows, columns: dimension }));
      for (const { folder } of segments)
        for await (const chunk of storage.stream(`${folder}/${name}`, { start: NPY_HEADER_BYTES }))
          await sink.write(chunk);
    });
  const files: FileInfo[] = [];
  if (parts.image) files.push(await matrix(`img_emb/img_emb_${number}.npy`, SEGMENT_FILES.image));
  if (parts.text) files.push(await matrix(`text_emb/text_emb_${number}.npy`, SEGMENT_FILES.text));
  files.push(await writeMetadata(storage, segments, `metadata/metadata_${number}.parquet`, parts));
  return files;
}

async function writeMetadata(
  storage: Storage,
  segments: readonly SegmentPlace[],
  path: string,
  parts: EmbedParts,
): Promise<FileInfo> {
  const found = new MetadataColumns();
  if (parts.metadata)
    for (const segment of segments)
      for await (const { metadata } of rowsOf(storage, segment))
        if (metadata !== null) found.add(flattenMetadata(metadata));
  const own: Column[] = [
    ...(parts.image ? [{ name: 'image_path', type: 'string' } as const] : []),
    ...(parts.text ? [{ name: 'caption', type: 'string' } as const] : []),
  ];
  // Without images and captions a row would have no column at all.
  if (own.length === 0) own.push({ name: 'image_path', type: 'string' });
  const others = found.columns();
  return writeFile(storage, path, async (sink) => {
    const writer = createParquetWriter<Column[]>(sink, [...own, ...others]);
    let rows: RowOf<Column[]>[] = [];
    for (const segment of segments)
      for await (const { key, caption, metadata } of rowsOf(storage, segment)) {
        const flat = parts.metadata && metadata !== null ? flattenMetadata(metadata) : undefined;
        rows.push({
          image_path: key,
          caption: caption ?? '',
          ...Object.fromEntries(others.map(({ name, type }) => [name, cellFor(flat?.get(name), type)])),
        });
        if (rows.length < GROUP_ROWS) continue;
        await writer.writeRowGroup(rows);
        rows = [];
      }
    await writer.writeRowGroup(rows);
    await writer.finish();
  });
}

function rowsOf(storage: Storage, { folder }: SegmentPlace) {
  const path = `${folder}/${SEGMENT_FILES.rows}`;
  return streamSource(storage, path, (source) => readParquetRows(source, SEGMENT_COLUMNS, { name: path }));
}
