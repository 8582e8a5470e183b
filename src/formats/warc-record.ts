import type { Reason } from '../schema/index.ts';

/** One record of a WARC file. */
export interface WarcRecord {
  readonly kind: 'record';
  /** Byte offset in the file: of the record, or, where the file is gzip, of the gzip member that it begins in. */
  readonly offset: number;
  /** Bytes of that member, decompressed, before the record: 0 where each record has its own member, as usual. */
  readonly skip: number;
  /** WARC-Type in lower case: 'response', 'metadata'... */
  readonly type: string;
  /** Names in lower case; the first of several fields of one name. */
  readonly headers: ReadonlyMap<string, string>;
  /** The record's block, without the line ends after it. Valid for good: nobody writes to it later. */
  readonly payload: Uint8Array;
}

/** A stretch of the file that gave no record. Reading goes on at the next record that can be found. */
export interface WarcDamage {
  readonly kind: 'damage';
  readonly offset: number;
  readonly reason: Reason;
  readonly detail: string;
}
