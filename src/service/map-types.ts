// What the page of the map and the service say to each other. Types only: the page is built from this file too.

/** A part of the map: regions lie within regions. */
export interface MapRegion {
  /** 0 for those that are seen from afar. */
  readonly level: number;
  /** The region around it, by its place in the list; -1 at level 0. */
  readonly parent: number;
  /** Its middle, 0 to 65,535; y downwards. */
  readonly x: number;
  readonly y: number;
  /** Words of its captions that tell it from the rest, best first; possibly none. */
  readonly words: readonly string[];
  readonly rows: number;
  /** Those of them that are shown only when asked for. */
  readonly unsafe: number;
  /** A row in its middle that may be shown. */
  readonly picture: number | null;
}

/** A square of the map at a depth: 65,536 / 2^z wide. */
export interface MapTile {
  readonly z: number;
  readonly x: number;
  readonly y: number;
  /** Points, those that are not shown among them. */
  readonly count: number;
}

/** GET /api/v1/map/info */
export interface MapInfoAnswer {
  readonly rows: number;
  /** Rows that were added to the index since the map was drawn: they are not on it. */
  readonly added: number;
  readonly similarity: { readonly min: number; readonly max: number };
  /** Languages by the number that points have for them. */
  readonly languages: readonly { readonly value: string; readonly rows: number }[];
  readonly tiles: readonly MapTile[];
  /** How many of the first `regions` are of the finest level: those that points name. */
  readonly finest: number;
  readonly regions: readonly MapRegion[];
}
