import { npyInfo, readNpyRows, readParquetRows } from '../formats/index.ts';
import { type Dropped, GleanerError, type HarvestRow, isReason, type Pair } from '../schema/index.ts';
import { type Storage, streamSource } from '../storage/index.ts';
import { FETCHED_COLUMNS, type FetchedFacts, type FetchedRecord } from './fetched.ts';
import { type HarvestFiles, readHarvested } from './harvested.ts';
import { type KnownEntry, readKnownContent } from './known-content.ts';
import { DROPPED_COLUMNS, type DroppedRecord } from './tables.ts';

/** What became of a pair in harvest. */
export type Fate =
  | {
      readonly kept: true;
      readonly row: HarvestRow;
      /** The picture as it is stored. */
      readonly jpeg: () => Promise<Uint8Array>;
      readonly imageEmbedding: Float32Array;
      readonly textEmbedding: Float32Array;
    }
  | (Dropped & { readonly similarity: number | null });

/** A pair of a finished shard, with what became of it. */
export interface PastPair {
  readonly pair: Pair;
  readonly past: Fate;
  readonly facts: FetchedFacts | undefined;
}

/** Embeddings read at once. */
const ROWS_PER_READ = 256;

/**
 * The pairs of a shard that was harvested, in their order: those that were dropped for one of `reasons` alone, to be
 * harvested again, all others with what became of them.
 * @param pairs all of them, in their order
 * @throws GleanerError DAMAGED where the shard is not of these pairs
 */
export async function* readPast(
  storage: Storage,
  files: HarvestFiles,
  pairs: AsyncIterable<Pair>,
  reasons: ReadonlySet<string>,
): AsyncGenerator<Pair | PastPair, void, undefined> {
  const kept = new Cursor(readKept(storage, files));
  const trail = new Cursor(readTable(storage, files.dropped, DROPPED_COLUMNS));
  const known = new Cursor(readKnownContent(storage, files.knownContent));
  // Shards of before there were such files have none.
  const hasFacts = (await storage.size(files.fetched)) !== undefined;
  const facts = new Cursor<FetchedRecord>(
    hasFacts ? readTable(storage, files.fetched, FETCHED_COLUMNS) : none(),
  );
  try {
    for await (const pair of pairs) {
      const isIt = ({ uid }: { readonly uid: string }) => uid === pair.uid;
      const dropped = await trail.takeIf(isIt);
      const past = dropped
        ? droppedFate(dropped, files.dropped)
        : (knownFate(await known.takeIf(({ id }) => id === pair.uid)) ??
          (await kept.takeIf(({ row }) => isIt(row))));
      if (!past)
        throw new GleanerError('DAMAGED', {
          path: `${storage.location}/${files.rows}`,
          problem: `says nothing of the pair ${pair.uid}, nor does ${files.dropped}.`,
        });
      const record = await facts.takeIf(isIt);
      if (!past.kept && reasons.has(past.reason)) yield pair;
      else yield { pair, past, facts: record };
    }
  } finally {
    await Promise.all([kept.close(), trail.close(), known.close(), facts.close()]);
  }
}

async function* readKept(
  storage: Storage,
  files: HarvestFiles,
): AsyncGenerator<Fate & { kept: true }, void, undefined> {
  const images = new Cursor(readMatrix(storage, files.imageEmbeddings));
  const texts = new Cursor(readMatrix(storage, files.textEmbeddings));
  try {
    for await (const { row, image } of readHarvested(storage, files)) {
      const imageEmbedding = await images.takeIf(() => true);
      const textEmbedding = await texts.takeIf(() => true);
      if (!imageEmbedding || !textEmbedding)
        throw new GleanerError('DAMAGED', {
          path: `${storage.location}/${files.imageEmbeddings}`,
          problem: 'has fewer rows than rows.parquet beside it, or text_emb.npy has.',
        });
      yield { kept: true, row, jpeg: async () => image, imageEmbedding, textEmbedding };
    }
  } finally {
    await Promise.all([images.close(), texts.close()]);
  }
}

function readTable<const C extends typeof DROPPED_COLUMNS | typeof FETCHED_COLUMNS>(
  storage: Storage,
  path: string,
  columns: C,
) {
  return streamSource(storage, path, (source) => readParquetRows(source, columns, { name: path }));
}

function readMatrix(storage: Storage, path: string): AsyncGenerator<Float32Array, void, undefined> {
  return streamSource(storage, path, async function* (source) {
    const info = await npyInfo(source, path);
    for (let rowStart = 0; rowStart < info.rows; rowStart += ROWS_PER_READ) {
      const rowEnd = Math.min(rowStart + ROWS_PER_READ, info.rows);
      const rows = await readNpyRows(source, { rowStart, rowEnd, info, name: path });
      for (let at = 0; at < rows.length; at += info.columns) yield rows.subarray(at, at + info.columns);
    }
  });
}

function droppedFate({ reason, detail, similarity }: DroppedRecord, path: string): Fate {
  if (!isReason(reason))
    throw new GleanerError('DAMAGED', { path, problem: `'${reason}' is no reason that this version knows.` });
  return { kept: false, reason, detail, similarity };
}

function knownFate(known: KnownEntry | undefined): Fate | undefined {
  return known && { kept: false, reason: 'known_content', detail: known.detail, similarity: null };
}

/** Rows that are taken one by one, each when it is the right one. */
class Cursor<T> {
  readonly #rows: AsyncGenerator<T, void, undefined>;
  #next: Promise<IteratorResult<T, void>> | undefined;

  constructor(rows: AsyncGenerator<T, void, undefined>) {
    this.#rows = rows;
  }

  /** The next row, where it is the one that is looked for. */
  async takeIf(isIt: (row: T) => boolean): Promise<T | undefined> {
    this.#next ??= this.#rows.next();
    const next = await this.#next;
    if (next.done || !isIt(next.value)) return undefined;
    this.#next = undefined;
    return next.value;
  }

  async close(): Promise<void> {
    await this.#rows.return();
  }
}

async function* none(): AsyncGenerator<never, void, undefined> {}
