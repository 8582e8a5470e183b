// What the search page and the service say to each other (/api/v1). Types only: the page is built from this file too.

/** One thing that a query is made of. */
export type QueryPart = (
  | { readonly text: string }
  /** An image file in base64. */
  | { readonly image: string }
  | { readonly imageUrl: string }
  | { readonly embedding: readonly number[] }
  /** A row of the release. */
  | { readonly id: number }
) & {
  /** Below 0: less like this. @default 1 */
  readonly weight?: number;
};

/** Bounds, both of them within. */
export interface PageRange {
  readonly min?: number;
  readonly max?: number;
}

/** Conditions that all have to hold; of several values of one field any. */
export interface PageFilter {
  readonly language?: readonly string[];
  readonly license?: readonly string[];
  readonly host?: readonly string[];
  readonly nsfw?: readonly string[];
  /** Pixels of the image as it was fetched. */
  readonly width?: PageRange;
  readonly height?: PageRange;
  /** Width divided by height. */
  readonly aspect?: PageRange;
  readonly similarity?: PageRange;
}

export interface SearchRequest {
  /** Each part is embedded, brought to length 1, times its weight; the query is their sum. */
  readonly query?: readonly QueryPart[];
  /** Words that texts should hold. */
  readonly keywords?: string;
  /** Whose vectors are searched. @default 'image' */
  readonly modality?: 'image' | 'text';
  readonly filter?: PageFilter;
  /** Least cosine to the query. */
  readonly minScore?: number;
  /** @default false: only what is UNLIKELY to be unsafe */
  readonly nsfw?: boolean;
  /** @default false */
  readonly deduplicate?: boolean;
  /** Of the sample that is shown where nothing is looked for. */
  readonly seed?: number;
  readonly offset?: number;
  readonly limit?: number;
}

/** Why a row is where it is among the results. */
export interface Why {
  readonly cosine: number | null;
  /** From 1. */
  readonly rank: number;
  /** To each part of the query, in its order. */
  readonly parts?: readonly { readonly cosine: number; readonly weight: number }[];
  /** BM25 among the texts. */
  readonly keywords?: {
    readonly rank: number;
    readonly score: number;
    readonly matched: readonly string[];
  };
  /** Sum of reciprocal ranks, where two lists were merged. */
  readonly merged?: number;
}

/** A row as the page gets it. */
export interface PageRow {
  readonly id: number;
  /** Cosine to the query; null where there is none. */
  readonly score: number | null;
  readonly url: string;
  readonly pageUrl: string;
  readonly text: string;
  readonly width: number;
  readonly height: number;
  readonly license: string;
  readonly language: string;
  readonly nsfw: string;
  /** Cosine of the image and its own text. */
  readonly similarity: number;
  readonly format: string;
  /** Pixels of the stored picture. */
  readonly storedWidth: number;
  readonly storedHeight: number;
  readonly why: Why;
}

export interface SearchResponse {
  readonly results: readonly PageRow[];
  /** Rows among those looked through that are not shown because they may not be safe. */
  readonly hidden: number;
  /** Rows that were left out on the way to here since another like them stands before. */
  readonly duplicates: number;
  /** Whether there are more behind these. */
  readonly more: boolean;
}

/** A step of the funnel that a row went through, and what is known of it. */
export interface KeptStep {
  readonly step: string;
  readonly said: string;
}

export interface PageRowDetails extends PageRow {
  readonly kept: readonly KeptStep[];
}

export interface CountsRequest {
  readonly filter?: PageFilter;
  readonly nsfw?: boolean;
}

export interface FieldCount {
  readonly value: string;
  readonly count: number;
}

/** Rows by the values of each field under all conditions but the field's own, most first. */
export interface CountsResponse {
  readonly rows: number;
  readonly fields: {
    readonly language: readonly FieldCount[];
    readonly license: readonly FieldCount[];
    readonly host: readonly FieldCount[];
    readonly nsfw: readonly FieldCount[];
  };
  readonly width: PageRange;
  readonly height: PageRange;
  readonly similarity: PageRange;
  readonly aspect: PageRange;
}

export interface PageRelease {
  readonly name: string;
  readonly rows: number;
  readonly model: string;
  /** Rows that are hidden unless asked for. */
  readonly unsafe: number;
  readonly hasMap: boolean;
  readonly hasReport: boolean;
}

export interface ExportRequest extends SearchRequest {
  readonly format: 'json' | 'parquet';
}

export type ReportReason = 'illegal' | 'privacy' | 'copyright' | 'wrong-tag' | 'other';

export interface ReportRequest {
  readonly id: number;
  readonly reason: ReportReason;
  readonly message?: string;
  /** How whoever reports can be reached. */
  readonly contact?: string;
}

export interface ReportResponse {
  /** Name of the report. */
  readonly report: string;
}
