/** Formats by content, not by name or header; 'other' is an image of a format that gleaner knows but never accepts. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'svg' | 'other';

/** 8-bit sRGB pixels, row by row, 3 bytes a pixel, no padding: `data.length === width * height * 3`. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The body of an image response, as it came (content encodings removed). */
export interface FetchedImage {
  readonly bytes: Uint8Array;
  /** The URL that answered, after redirects. */
  readonly finalUrl: string;
  /** Content-Type as sent, '' if none: a hint, never believed. */
  readonly contentType: string;
  /** When it was fetched, or archived, in milliseconds since 1970; undefined where an archive does not say. */
  readonly fetchedAt?: number | undefined;
}

/** A decoded image: orientation applied, colours in sRGB, alpha laid on white. */
export interface DecodedImage extends RgbImage {
  readonly format: ImageFormat;
  /** Pixels of the file as stored, before orientation. */
  readonly originalWidth: number;
  readonly originalHeight: number;
  /** Whether the file has transparency, used or not, that was laid on white. */
  readonly alpha: boolean;
}
