import type { Column, RowOf } from '../formats/index.ts';
import type { Row } from '../schema/index.ts';

/** The files of one part of a release: row i of each belongs to row i of the others. */
export interface ReleaseFiles {
  readonly metadata: string;
  readonly imageEmbeddings: string;
  readonly textEmbeddings: string;
  readonly images: string;
}

/**
 * Where the files of a part lie. Numbers are padded to one width, so that a sorted listing is in order, as
 * clip-retrieval's writers do; image shards have img2dataset's five digits.
 */
export function releaseFiles(part: number, parts: number): ReleaseFiles {
  const name = String(part).padStart(String(parts - 1).length, '0');
  return {
    metadata: `release/metadata/metadata_${name}.parquet`,
    imageEmbeddings: `release/img_emb/img_emb_${name}.npy`,
    textEmbeddings: `release/text_emb/text_emb_${name}.npy`,
    images: `release/images/${String(part).padStart(5, '0')}.tar`,
  };
}

/** The released metadata: LAION-400M's eight columns in its order and types, then ours. */
export const RELEASE_COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'HEIGHT', type: 'int32' },
  { name: 'WIDTH', type: 'int32' },
  { name: 'LICENSE', type: 'string' },
  { name: 'NSFW', type: 'string' },
  { name: 'similarity', type: 'double' },
  { name: 'language', type: 'string' },
  { name: 'language_confidence', type: 'float' },
  { name: 'page_url', type: 'string' },
  { name: 'uid', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'phash', type: 'string' },
  { name: 'format', type: 'string' },
  { name: 'stored_width', type: 'int32' },
  { name: 'stored_height', type: 'int32' },
  { name: 'wat', type: 'string' },
  { name: 'key', type: 'string' },
  { name: 'tags', type: 'string' },
] as const satisfies readonly Column[];

export function releaseRecord(row: Row): RowOf<typeof RELEASE_COLUMNS> {
  return {
    SAMPLE_ID: row.sampleId,
    URL: row.url,
    TEXT: row.text,
    HEIGHT: row.height,
    WIDTH: row.width,
    LICENSE: row.license,
    NSFW: row.nsfw,
    similarity: row.similarity,
    language: row.language,
    language_confidence: row.languageConfidence,
    page_url: row.pageUrl,
    uid: row.uid,
    sha256: row.sha256,
    phash: row.phash,
    format: row.format,
    stored_width: row.storedWidth,
    stored_height: row.storedHeight,
    wat: row.wat,
    key: row.key,
    tags: row.tags,
  };
}

/** The key.json beside an image in its tar: img2dataset's names where it has one, then ours. */
export function sampleJson(row: Row): string {
  return JSON.stringify({
    key: row.key,
    url: row.url,
    caption: row.text,
    status: 'success',
    width: row.storedWidth,
    height: row.storedHeight,
    original_width: row.width,
    original_height: row.height,
    sha256: row.sha256,
    sample_id: Number(row.sampleId),
    license: row.license,
    nsfw: row.nsfw,
    similarity: row.similarity,
    language: row.language,
    language_confidence: row.languageConfidence,
    page_url: row.pageUrl,
    phash: row.phash,
    format: row.format,
    uid: row.uid,
    wat: row.wat,
    tags: row.tags,
  });
}
