/** What rows are filtered by: columns of the released metadata, and the host of the URL. */
export interface KnnFields {
  /** UNLIKELY, UNSURE or NSFW. */
  readonly nsfw: string;
  /** Pixels of the image as published. */
  readonly width: number;
  readonly height: number;
  /** Cosine of the image and its text, -1 to 1. */
  readonly similarity: number;
  /** ISO 639-1 code, or 'und'. */
  readonly language: string;
  /** URL of a licence, or '?'. */
  readonly license: string;
  /** Of the image's URL, as 'cdn.example.org'. */
  readonly host: string;
}

/** Fields on their way into a table: row i has id `ids[i]`. */
export interface KnnFieldsBatch {
  /** Whole numbers from 0 up: SAMPLE_IDs. */
  readonly ids: readonly number[];
  readonly fields: readonly KnnFields[];
}

/** Both ends belong to the range. */
export interface KnnRange {
  /** @default no lower end */
  readonly min?: number | undefined;
  /** @default no upper end */
  readonly max?: number | undefined;
}

/** All conditions have to hold. A list holds where the field is one of its values; an empty list never does. */
export interface KnnFilter {
  readonly nsfw?: readonly string[] | undefined;
  readonly language?: readonly string[] | undefined;
  readonly license?: readonly string[] | undefined;
  readonly host?: readonly string[] | undefined;
  readonly width?: KnnRange | undefined;
  readonly height?: KnnRange | undefined;
  readonly similarity?: KnnRange | undefined;
  /** Width divided by height. */
  readonly aspect?: KnnRange | undefined;
}

export const TEXT_FIELDS = ['nsfw', 'language', 'license', 'host'] as const;
export type TextField = (typeof TEXT_FIELDS)[number];
export const NUMBER_FIELDS = ['width', 'height', 'similarity'] as const;
/** What a range can be given of. */
export const RANGE_FIELDS = [...NUMBER_FIELDS, 'aspect'] as const;
export type RangeField = (typeof RANGE_FIELDS)[number];
