import { GleanerError } from '../schema/index.ts';
import { IMAGE_RECORD_BYTES, INDEX_FILES } from '../stages/index-files.ts';
import { releaseFiles } from '../stages/released.ts';
import type { OpenSource, Storage } from '../storage/index.ts';

/** Tars that are kept open at once. */
const MAX_OPEN = 32;
/** Larger than any image that gleaner stores, in bytes; a table that says more is damaged. */
const MAX_IMAGE_BYTES = 64 << 20;

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

  /** @throws GleanerError DAMAGED where the table is not of that many rows */
  static async open(storage: Storage, { rows, parts }: { rows: number; parts: number }): Promise<ImageStore> {
    const table = await storage.open(INDEX_FILES.images);
    const store = new ImageStore(storage, table, parts);
    if (table.byteLength === rows * IMAGE_RECORD_BYTES) return store;
    await store.close();
    throw damaged();
  }

  /** @param id a SAMPLE_ID of the release @returns a JPEG file @throws GleanerError */
  async get(id: number): Promise<Uint8Array<ArrayBuffer>> {
    const at = id * IMAGE_RECORD_BYTES;
    const record = new DataView(await this.#table.slice(at, at + IMAGE_RECORD_BYTES));
    if (record.byteLength !== IMAGE_RECORD_BYTES) throw damaged();
    const offset = Number(record.getBigUint64(0, true));
    const length = record.getUint32(8, true);
    const part = record.getUint32(12, true);
    if (part >= this.#parts || length > MAX_IMAGE_BYTES) throw damaged();
    return new Uint8Array(await (await this.#tar(part)).slice(offset, offset + length));
  }

  #tar(part: number): Promise<OpenSource> {
    const tar = this.#tars.get(part) ?? this.#storage.open(releaseFiles(part, this.#parts).images);
    this.#tars.delete(part);
    this.#tars.set(part, tar);
    tar.catch(() => this.#tars.delete(part));
    for (const [oldest, source] of this.#tars) {
      if (this.#tars.size <= MAX_OPEN) break;
      this.#tars.delete(oldest);
      const closed = close(source).finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    }
    return tar;
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

function damaged(): GleanerError {
  const problem = 'does not fit its index. Make it again with gleaner index.';
  return new GleanerError('DAMAGED', { path: INDEX_FILES.images, problem });
}
