/** Random access to bytes of a known length: a file, a range-read object, a buffer. Structurally hyparquet's AsyncBuffer. */
export interface ByteSource {
  readonly byteLength: number;
  /** Bytes from `start` up to, not with, `end` (default: the end): a copy, which is the caller's own. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** A source that holds a file open until it is closed. */
export type OpenSource = ByteSource & { close(): Promise<void> };

/** Where a writer puts its bytes, in order. A writer awaits each call, so a sink can push back. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void> | void;
}

/** A file as a manifest names it. */
export interface FileInfo {
  /** Relative to the root of the run, with '/' as separator. */
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}
