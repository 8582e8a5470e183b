// What the search page and the service say to each other. Types only: the page is built from this file too.

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
}

export interface PageResults {
  readonly results: readonly PageRow[];
  /** Rows among those looked through that are not shown because they may not be safe. */
  readonly hidden: number;
  /** Whether there are more behind these. */
  readonly more: boolean;
}

export interface PageRelease {
  readonly name: string;
  readonly rows: number;
  readonly model: string;
  /** Rows that are hidden unless asked for. */
  readonly unsafe: number;
}
