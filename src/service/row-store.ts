import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { INDEX_FILES } from '../stages/index-files.ts';
import { readFull } from '../storage/index.ts';

const rowSchema = z.object({
  URL: z.string(),
  TEXT: z.string(),
  HEIGHT: z.number(),
  WIDTH: z.number(),
  LICENSE: z.string(),
  NSFW: z.string(),
  similarity: z.number(),
  language: z.string(),
  language_confidence: z.number(),
  page_url: z.string(),
  uid: z.string(),
  sha256: z.string(),
  phash: z.string(),
  format: z.string(),
  stored_width: z.number(),
  stored_height: z.number(),
  wat: z.string(),
  harvested_at: z.string(),
  key: z.string(),
  tags: z.string(),
});
/** A released row by the names of its columns, without its SAMPLE_ID. */
export type ReleasedRow = Readonly<z.infer<typeof rowSchema>>;

const OFFSET_BYTES = 8;

/**
 * The released rows by SAMPLE_ID. Two reads a row; nothing of them is kept in memory. They are reads that wait: of pages that
 * the system has in memory one takes 1 µs, where handing it to another thread and back takes 20 (docs/decisions.md).
 */
export class RowStore {
  /** SAMPLE_IDs of the release, those among them that are nobody's since their row was taken down. */
  readonly places: number;
  readonly #lines: Table;
  readonly #offsets: Table;
  /** Where a line begins and the next one does. */
  readonly #span = Buffer.alloc(2 * OFFSET_BYTES);

  private constructor(lines: Table, offsets: Table, places: number) {
    this.places = places;
    this.#lines = lines;
    this.#offsets = offsets;
  }

  /**
   * @param dir the folder of the run
   * @throws GleanerError DAMAGED where a table is not there, or not of so many places
   */
  static open(dir: string, places: number): RowStore {
    const lines = new Table(dir, INDEX_FILES.metadata);
    try {
      const offsets = new Table(dir, INDEX_FILES.metadataOffsets);
      const store = new RowStore(lines, offsets, places);
      if (offsets.byteLength === (places + 1) * OFFSET_BYTES) return store;
      offsets.close();
      throw damaged(INDEX_FILES.metadataOffsets);
    } catch (error) {
      lines.close();
      throw error;
    }
  }

  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.places;
  }

  /**
   * @param id a SAMPLE_ID that `has` knows
   * @returns undefined where the row was taken down
   * @throws GleanerError DAMAGED
   */
  get(id: number): ReleasedRow | undefined {
    this.#offsets.read(this.#span, id * OFFSET_BYTES);
    const [start, end] = [this.#span.readBigUInt64LE(0), this.#span.readBigUInt64LE(OFFSET_BYTES)];
    if (end <= start || end > BigInt(this.#lines.byteLength)) throw damaged(INDEX_FILES.metadataOffsets);
    const line = Buffer.allocUnsafe(Number(end - start));
    this.#lines.read(line, Number(start));
    return parseLine(line.toString());
  }

  async close(): Promise<void> {
    this.#lines.close();
    this.#offsets.close();
  }
}

/** A file that is read at any place. */
class Table {
  readonly byteLength: number;
  readonly #path: string;
  #file: number | undefined;

  constructor(dir: string, path: string) {
    this.#path = path;
    try {
      this.#file = openSync(join(dir, path), 'r');
    } catch (cause) {
      throw damaged(path, cause);
    }
    this.byteLength = fstatSync(this.#file).size;
  }

  /** Fills `into`. @throws GleanerError DAMAGED where the file ends before */
  read(into: Buffer, start: number): void {
    if (this.#file === undefined) throw new Error(`${this.#path} is closed`);
    if (!readFull(this.#file, into, start)) throw damaged(this.#path);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A blank line stands where a row was. */
function parseLine(line: string): ReleasedRow | undefined {
  if (line.trim() === '') return undefined;
  try {
    return rowSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw damaged(INDEX_FILES.metadata, cause);
  }
}

function damaged(path: string, cause?: unknown): GleanerError {
  const problem = 'does not fit its index. Make it again with gleaner index.';
  return new GleanerError('DAMAGED', { path, problem }, cause === undefined ? {} : { cause });
}
