import { hash } from 'node:crypto';

declare const uidBrand: unique symbol;
/** 128 bits of SHA-256 over URL and text, as 32 lower-case hexadecimal digits. Names a pair for ever. */
export type Uid = string & { readonly [uidBrand]: true };

/** One image URL with its text. */
export interface Pair {
  readonly uid: Uid;
  /** Absolute, http or https, without fragment. */
  readonly url: string;
  /** Plain text, never HTML; at least one character. */
  readonly text: string;
  /** The page that held the image; '' where unknown. */
  readonly pageUrl: string;
  /** Where the link was read: `name#offset`, the WAT file's base name and the byte offset of the record (of its gzip member where compressed). */
  readonly wat: string;
  /** A Creative Commons URL of the page, or '?'. */
  readonly license: string;
  /** ISO 639-1 code of the text's language, 'und' where undetermined. */
  readonly language: string;
  /**
   * How sure the detector is of that, 0 to 1, a number of 32 bits; 0 where no language was told ('und'), so that
   * `language_confidence >= x` is one rule for all pairs.
   */
  readonly languageConfidence: number;
}

/** What tells two pairs apart: the same URL with the same text is the same pair, wherever it was seen. */
export function pairUid(url: string, text: string): Uid {
  return hash('sha256', `${url}\0${text}`, 'hex').slice(0, 32) as Uid;
}

/** Parses a uid that was read from a file or a user. */
export function parseUid(value: string): Uid | undefined {
  return /^[0-9a-f]{32}$/.test(value) ? (value as Uid) : undefined;
}
