import type { ByteSink, FileInfo, OpenSource } from './bytes.ts';

export interface CommitOptions {
  /** Only where there is none of that name yet. @default false */
  readonly ifAbsent?: boolean;
  /** Only where what has the name is still that version of it (`Storage.version`): of several that replace it, one does. */
  readonly ifVersion?: string;
  /**
   * Waits until the disk has the bytes, so that they outlive a power failure; without, they outlive the process alone.
   * Of an object storage what is committed is lasting.
   * @default true
   */
  readonly lasting?: boolean;
}

export interface CreateOptions {
  /**
   * Only its owner may read it (mode 0600), from the first byte on. Without meaning in an object storage: who may read there is
   * said by the bucket's policy. @default false
   */
  readonly restricted?: boolean;
}

/** A file being written: nothing of it is seen under its name before `commit`. */
export interface PendingFile extends ByteSink {
  /**
   * Gives the file its name, at once and whole.
   * @returns what was written, or undefined where `ifAbsent` found another, or `ifVersion` not that one
   */
  commit(options?: CommitOptions): Promise<FileInfo | undefined>;
  /** Throws away what was written. */
  abort(): Promise<void>;
}

/** The files of a run, wherever they lie. Paths are relative to its root, with '/' as separator. */
export interface Storage {
  /** A folder of this machine (or one that it sees as such), or a prefix in a bucket. */
  readonly kind: 'file' | 's3';
  /** Where the root is: an absolute path, or s3://BUCKET/PREFIX. */
  readonly location: string;
  /** @throws GleanerError FILE_NOT_FOUND */
  open(path: string): Promise<OpenSource>;
  /**
   * The bytes in order, from `start`. With `passing` a chunk may be good only until the next is asked for.
   * @throws GleanerError FILE_NOT_FOUND
   */
  stream(
    path: string,
    options?: { readonly start?: number; readonly passing?: boolean },
  ): AsyncIterable<Uint8Array>;
  /** @throws GleanerError FILE_NOT_FOUND */
  read(path: string): Promise<Uint8Array>;
  create(path: string, options?: CreateOptions): Promise<PendingFile>;
  /** Writes a whole small file atomically. @returns undefined where `ifAbsent` found another, or `ifVersion` not that one */
  put(path: string, bytes: Uint8Array | string, options?: CommitOptions): Promise<FileInfo | undefined>;
  /** Size in bytes, undefined where there is no such file. */
  size(path: string): Promise<number | undefined>;
  /**
   * Names what a file holds now, for `ifVersion`: other bytes have another version. Undefined where there is no such file. For
   * small files: they may be read for it.
   */
  version(path: string): Promise<string | undefined>;
  /** Names of all files below `prefix` (a folder), sorted. Files being written are not among them. */
  list(prefix: string): Promise<readonly string[]>;
  /**
   * Gives a file or a folder another name, in place of what has it: a file at once, a folder after that is removed. In an object
   * storage it is copied, and has both names for a moment; a folder there goes file by file.
   */
  move(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all it holds; nothing happens where there is none. */
  remove(path: string): Promise<void>;
  /**
   * Removes what killed writers left unfinished. Only to be called while nobody else writes below this root: it takes the
   * uploads of live ones too.
   */
  sweep(): Promise<void>;
}
