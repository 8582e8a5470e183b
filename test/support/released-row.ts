import type { RowOf } from '../../src/formats/index.ts';
import type { Row } from '../../src/schema/index.ts';
import type { RELEASE_COLUMNS } from '../../src/stages/released.ts';

/** A row of the released metadata, as an object. */
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
    harvested_at: row.harvestedAt,
    key: row.key,
    tags: row.tags,
  };
}

/** The key.json beside an image in its tar: img2dataset's names where it has one, then ours. What the release writes is compared with it. */
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
    harvested_at: row.harvestedAt,
    tags: row.tags,
  });
}
