import type { ByteSink, FileInfo, OpenSource } from './bytes.ts';

export interface CommitOptions {
  /** Only where there is none of that name yet. @default false */
  readonly ifAbsent?: boolean;
  /**
   * Waits until the disk has the bytes, so that they outlive a power failure; without, they outlive the process alone.
   * @default true
   */
  readonly lasting?: boolean;
}

export interface CreateOptions {
  /** Only its owner may read it (mode 0600), from the first byte on. @default false */
  readonly restricted?: boolean;
}

/** A file being written: nothing of it is seen under its name before `commit`. */
export interface PendingFile extends ByteSink {
  /**
   * Gives the file its name, at once and whole.
   * @returns what was written, or undefined where `ifAbsent` found another
   */
  commit(options?: CommitOptions): Promise<FileInfo | undefined>;
  /** Throws away what was written. */
  abort(): Promise<void>;
}

/** The files of a run, wherever they lie. Paths are relative to its root, with '/' as separator. */
export interface Storage {
  /** For messages: where the root is. */
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
  /** Writes a whole small file atomically. @returns undefined where `ifAbsent` found another */
  put(path: string, bytes: Uint8Array | string, options?: CommitOptions): Promise<FileInfo | undefined>;
  /** Size in bytes, undefined where there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Names of all files below `prefix` (a folder), sorted. Files being written are not among them. */
  list(prefix: string): Promise<readonly string[]>;
  /** Gives a file or a folder another name, in place of what has it: a file at once, a folder after that is removed. */
  move(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all it holds; nothing happens where there is none. */
  remove(path: string): Promise<void>;
  /** Removes what killed writers left unfinished. Only to be called while nobody else writes below this root. */
  sweep(): Promise<void>;
}
