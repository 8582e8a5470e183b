import type { Column } from '../formats/index.ts';

/** Digits of a key: room for every row that a release can have. */
export const KEY_DIGITS = 12;

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
  { name: 'harvested_at', type: 'string' },
  { name: 'key', type: 'string' },
  { name: 'tags', type: 'string' },
] as const satisfies readonly Column[];
