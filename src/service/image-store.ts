import { GleanerError } from '../schema/index.ts';
import { IMAGE_RECORD_BYTES, INDEX_FILES } from '../stages/index-files.ts';
import { releaseFiles } from '../stages/released.ts';
import type { OpenSource, Storage } from '../storage/index.ts';

/** Tars that are kept open at once. */
const MAX_OPEN = 32;
/** Larger than any image that gleaner stores, in bytes; a table that says more is damaged. */
const MAX_IMAGE_BYTES = 64 << 20;

/** A member's header stands right before its content (POSIX.1-2017, pax, "ustar Interchange Format"). */
const HEADER_BYTES = 512;

/** The stored images by SAMPLE_ID: one read of the table and one of the tar each. */
export class ImageStore {
  readonly #storage: Storage;
  readonly #table: OpenSource;
  readonly #parts: number;
  /** By part, least recently used first. */
  readonly #tars = new Map<number, Promise<OpenSource>>();
  readonly #closing = new Set<Promise<void>>();

  private constructor(storage: Storage, table: OpenSource, parts: number) {
    this.#storage = storage;
    this.#table = table;
    this.#parts = parts;
  }

  /** @throws GleanerError DAMAGED where the table is not of that many places */
  static async open(
    storage: Storage,
    { places, parts }: { readonly places: number; readonly parts: number },
  ): Promise<ImageStore> {
    const table = await storage.open(INDEX_FILES.images);
    const store = new ImageStore(storage, table, parts);
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
    const { part } = await this.locate(id);
    const stale = this.#tars.get(part);
    this.#tars.delete(part);
    if (stale) this.#close(stale);
    return this.#read(id, key);
  }

  async #read(id: number, key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { offset, length, part } = await this.locate(id);
    if (length === 0) return undefined;
    const tar = await this.#tar(part);
    const [from, end] = [offset - HEADER_BYTES, offset + length];
    if (from < 0 || end > tar.byteLength) return undefined;
    const bytes = new Uint8Array(await tar.slice(from, end));
    return isHeaderOf(bytes, `${key}.jpg`, length) ? bytes.subarray(HEADER_BYTES) : undefined;
  }

  /**
   * Where an image lies in the tar of its part, in bytes; `length` is 0 where it was taken down.
   *
   * @param id a SAMPLE_ID of the release
   * @throws GleanerError
   */
  async locate(id: number): Promise<{ offset: number; length: number; part: number }> {
    const at = id * IMAGE_RECORD_BYTES;
    const record = new DataView(await this.#table.slice(at, at + IMAGE_RECORD_BYTES));
    if (record.byteLength !== IMAGE_RECORD_BYTES) throw damaged();
    const offset = Number(record.getBigUint64(0, true));
    const length = record.getUint32(8, true);
    const part = record.getUint32(12, true);
    if (part >= this.#parts || length > MAX_IMAGE_BYTES) throw damaged();
    return { offset, length, part };
  }

  #tar(part: number): Promise<OpenSource> {
    const tar = this.#tars.get(part) ?? this.#storage.open(releaseFiles(part, this.#parts).images);
    this.#tars.delete(part);
    this.#tars.set(part, tar);
    tar.catch(() => this.#tars.delete(part));
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
