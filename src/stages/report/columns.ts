import { RELEASE_COLUMNS } from '../released.ts';

/** What each column of the released metadata holds, for the data card and for Croissant. */
const DESCRIPTIONS: Readonly<Record<(typeof RELEASE_COLUMNS)[number]['name'], string>> = {
  SAMPLE_ID: 'place in the release, from 0; row of the embeddings over all parts; unique',
  URL: 'address of the image',
  TEXT: 'alternative text of the image on the page',
  HEIGHT: 'height of the image as published, pixels',
  WIDTH: 'width of the image as published, pixels',
  LICENSE: 'Creative Commons URL of a licence link on the page, or ?',
  NSFW: 'UNLIKELY, UNSURE or NSFW: none, one or both of the two best categories are sexual, or as a classifier says where that is graver',
  similarity: 'cosine of image and text embedding, before rounding to float16',
  language: 'ISO 639-1 code of the text as detected, or und',
  language_confidence: 'probability of that language by the detector, 0 to 1; 0 where it is und',
  page_url: 'address of the page that held the image',
  uid: 'first 128 bits of SHA-256 of URL and text, hexadecimal: names the pair in every run',
  sha256: 'SHA-256 of the image file as fetched, hexadecimal',
  tags: 'labels that image classifiers noted, parted by blanks',
  phash: '64-bit difference hash of the picture, hexadecimal',
  format: 'format of the image as published, by its content',
  stored_width: 'width of the image in images/, pixels',
  stored_height: 'height of the image in images/, pixels',
  wat: 'WAT file and byte offset of the record that held the link, as name#offset',
  harvested_at:
    'when the image was fetched, or archived where it came from an archive, UTC, as 2026-11-21T20:15:00Z; empty where unknown',
  key: 'name of the image in its tar, without extension',
};

export interface DescribedColumn {
  readonly name: string;
  readonly type: (typeof RELEASE_COLUMNS)[number]['type'];
  readonly description: string;
}

/** The columns of the released metadata in their order. */
export const DESCRIBED_COLUMNS: readonly DescribedColumn[] = RELEASE_COLUMNS.map(({ name, type }) => ({
  name,
  type,
  description: DESCRIPTIONS[name],
}));
