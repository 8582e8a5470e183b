import { join } from 'node:path';
import { GleanerError } from '../schema/index.ts';
import { IMAGE_RECORD_BYTES, INDEX_FILES, type IndexSummary } from '../stages/index-files.ts';
import { releaseFiles } from '../stages/released.ts';
import { fileStorage, type OpenSource, type Storage } from '../storage/index.ts';

/** Tars that are kept open at once. */
const MAX_OPEN = 32;
/** Larger than any image that gleaner stores, in bytes; a table that says more is damaged. */
const MAX_IMAGE_BYTES = 64 << 20;

/** Where the pictures of some rows are. */
interface StoredRelease {
  readonly storage: Storage;
  /** SAMPLE_ID, in the index, of its first row. */
  readonly first: number;
  readonly parts: number;
}

/** A member's header stands right before its content (POSIX.1-2017, pax, "ustar Interchange Format"). */
const HEADER_BYTES = 512;

/** The stored images by SAMPLE_ID: one read of the table and one of the tar each. */
export class ImageStore {
  readonly #table: OpenSource;
  /** Of the release, and of those that were added to its index, in the order of their numbers. */
  readonly #releases: readonly StoredRelease[];
  /** By storage and path, least recently used first. */
  readonly #tars = new Map<string, Promise<OpenSource>>();
  readonly #closing = new Set<Promise<void>>();

  private constructor(table: OpenSource, releases: readonly StoredRelease[]) {
    this.#table = table;
    this.#releases = releases;
  }

  /** @throws GleanerError DAMAGED where the table is not of that many places */
  static async open(
    storage: Storage,
    { places, parts, sources }: Pick<IndexSummary, 'parts' | 'sources'> & { readonly places: number },
  ): Promise<ImageStore> {
    const table = await storage.open(INDEX_FILES.images);
    const added = sources.map((source) => ({
      ...source,
      storage: fileStorage(join(storage.location, source.path)),
    }));
    const store = new ImageStore(table, [{ storage, first: 0, parts }, ...added]);
    if (table.byteLength === places * IMAGE_RECORD_BYTES) return store;
    await store.close();
    throw damaged();
  }

  /**
   * The picture of a row. A takedown writes tars anew while a service runs: what is read is held against the row's key,
   * and the tar is opened again where it is another's.
   *
   * @param id a SAMPLE_ID of the release
   * @param key of its row
   * @returns a JPEG file; undefined where it is not there, or not at its place yet
   * @throws GleanerError
   */
  async get(id: number, key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const found = await this.#read(id, key);
    if (found) return found;
    const { storage, path } = await this.locate(id);
    const name = nameOf(storage, path);
    const stale = this.#tars.get(name);
    this.#tars.delete(name);
    if (stale) this.#close(stale);
    return this.#read(id, key);
  }

  async #read(id: number, key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { offset, length, storage, path } = await this.locate(id);
    if (length === 0) return undefined;
    const tar = await this.#tar(storage, path);
    const [from, end] = [offset - HEADER_BYTES, offset + length];
    if (from < 0 || end > tar.byteLength) return undefined;
    const bytes = new Uint8Array(await tar.slice(from, end));
    return isHeaderOf(bytes, `${key}.jpg`, length) ? bytes.subarray(HEADER_BYTES) : undefined;
  }

  /**
   * Where an image lies, and where in that tar, in bytes; `length` is 0 where it was taken down.
   *
   * @param id a SAMPLE_ID of the release
   * @throws GleanerError
   */
  async locate(id: number): Promise<{ offset: number; length: number; storage: Storage; path: string }> {
    const at = id * IMAGE_RECORD_BYTES;
    const record = new DataView(await this.#table.slice(at, at + IMAGE_RECORD_BYTES));
    if (record.byteLength !== IMAGE_RECORD_BYTES) throw damaged();
    const offset = Number(record.getBigUint64(0, true));
    const length = record.getUint32(8, true);
    const part = record.getUint32(12, true);
    const release = this.#releases.findLast(({ first }) => id >= first);
    if (!release || part >= release.parts || length > MAX_IMAGE_BYTES) throw damaged();
    return { offset, length, storage: release.storage, path: releaseFiles(part, release.parts).images };
  }

  #tar(storage: Storage, path: string): Promise<OpenSource> {
    const name = nameOf(storage, path);
    const tar = this.#tars.get(name) ?? storage.open(path);
    this.#tars.delete(name);
    this.#tars.set(name, tar);
    tar.catch(() => this.#tars.delete(name));
    for (const [oldest, source] of this.#tars) {
      if (this.#tars.size <= MAX_OPEN) break;
      this.#tars.delete(oldest);
      this.#close(source);
    }
    return tar;
  }

  #close(source: Promise<OpenSource>): void {
    const closed = close(source).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  async close(): Promise<void> {
    await Promise.all([this.#table.close(), ...[...this.#tars.values()].map(close), ...this.#closing]);
    this.#tars.clear();
  }
}

function nameOf({ location }: Storage, path: string): string {
  return `${location}/${path}`;
}

async function close(source: Promise<OpenSource>): Promise<void> {
  // One that could not be opened has told so to whoever asked for it.
  await source.then(
    (opened) => opened.close(),
    () => undefined,
  );
}

/** Whether a tar's header is of a file of this name (of at most 100 bytes) and length. */
function isHeaderOf(header: Uint8Array, name: string, length: number): boolean {
  const text = Buffer.from(header.buffer, header.byteOffset, HEADER_BYTES).toString('latin1');
  const size = Number.parseInt(text.slice(124, 136), 8);
  return text.startsWith(`${name}\0`) && size === length;
}

function damaged(): GleanerError {
  const problem = 'does not fit its index. Make it again with gleaner index.';
  return new GleanerError('DAMAGED', { path: INDEX_FILES.images, problem });
}
