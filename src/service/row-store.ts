import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { INDEX_FILES } from '../stages/index-files.ts';
import type { OpenSource, Storage } from '../storage/index.ts';

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

/** The released rows by SAMPLE_ID. Two reads a row; nothing of them is kept in memory. */
export class RowStore {
  /** SAMPLE_IDs of the release, those among them that are nobody's since their row was taken down. */
  readonly places: number;
  readonly #lines: OpenSource;
  readonly #offsets: OpenSource;

  private constructor(lines: OpenSource, offsets: OpenSource, places: number) {
    this.places = places;
    this.#lines = lines;
    this.#offsets = offsets;
  }

  /** @throws GleanerError DAMAGED where the table is not of so many places */
  static async open(storage: Storage, places: number): Promise<RowStore> {
    const lines = await storage.open(INDEX_FILES.metadata);
    const offsets = await storage.open(INDEX_FILES.metadataOffsets).catch(async (error: unknown) => {
      await lines.close();
      throw error;
    });
    const store = new RowStore(lines, offsets, places);
    if (offsets.byteLength === (places + 1) * OFFSET_BYTES) return store;
    await store.close();
    throw damaged(INDEX_FILES.metadataOffsets);
  }

  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.places;
  }

  /**
   * @param id a SAMPLE_ID that `has` knows
   * @returns undefined where the row was taken down
   * @throws GleanerError DAMAGED
   */
  async get(id: number): Promise<ReleasedRow | undefined> {
    const span = new BigUint64Array(await this.#offsets.slice(id * OFFSET_BYTES, (id + 2) * OFFSET_BYTES));
    const [start = 0n, end = 0n] = span;
    if (span.length !== 2 || end <= start || end > BigInt(this.#lines.byteLength))
      throw damaged(INDEX_FILES.metadataOffsets);
    return parseLine(Buffer.from(await this.#lines.slice(Number(start), Number(end))).toString());
  }

  async close(): Promise<void> {
    await Promise.all([this.#lines.close(), this.#offsets.close()]);
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
