import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import type { Recipe } from '../config/index.ts';
import { FullTextThread, type TextSearcher } from '../fulltext/index.ts';
import { FieldTable, type KnnIndex, openKnn } from '../knn/index.ts';
import { readRunFile } from '../pipeline/index.ts';
import { GleanerError } from '../schema/index.ts';
import { INDEX_FILES, type IndexSummary, indexSummarySchema, placesOf } from '../stages/index-files.ts';
import { restoreIndex } from '../stages/index-place.ts';
import { deletePending } from '../stages/unindex.ts';
import { fileStorage, type Storage } from '../storage/index.ts';
import { ImageStore } from './image-store.ts';
import { MapStore } from './map-store.ts';
import { RemovedRows, type RemovedRowsOptions, tableOf } from './removed-rows.ts';
import { REPORT_FILE } from './report-page.ts';
import { type ReleasedRow, RowStore } from './row-store.ts';

/** DIR/index with what it points to, open for reading. */
export interface OpenedIndex {
  /** Name of the folder of the run: what clip-retrieval's clients call `indice_name`. */
  readonly name: string;
  readonly summary: IndexSummary;
  /** Names what is in it but for takedowns: another where rows of another release were added. */
  readonly contents: string;
  /** The file of its table of rows: another index has another. */
  readonly table: bigint | undefined;
  readonly image: KnnIndex;
  readonly text: KnnIndex;
  /** Without the rows that are known by their numbers to be gone. */
  readonly fields: FieldTable;
  /** On a thread of its own. */
  readonly captions: TextSearcher;
  readonly rows: RowStore;
  readonly images: ImageStore;
  /** Where the index was made with one. */
  readonly map: MapStore | undefined;
  /** The folder of the run. */
  readonly storage: Storage;
  /** What may not be shown: it grows while the service runs. */
  readonly removed: RemovedRows;
  /** Of the run; none where the release came without its run. */
  readonly recipe: Recipe | undefined;
  /** Whether there is a map of the embeddings. */
  readonly hasMap: boolean;
  /** Whether there is a report of the release. */
  readonly hasReport: boolean;
  close(): Promise<void>;
}

/**
 * What DIR/index/index.json says: rows, model and parameters of the index of a run.
 *
 * @throws GleanerError RUN_NOT_FOUND where there is none, or that of another release; DAMAGED
 */
export async function readIndexSummary(dir: string): Promise<IndexSummary> {
  const storage = fileStorage(dir);
  const hint = `Make it with gleaner index ${dir}`;
  await restoreIndex(dir);
  if ((await storage.size(INDEX_FILES.summary)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', { path: dir, what: 'index', hint });
  let summary: IndexSummary;
  try {
    summary = indexSummarySchema.parse(
      JSON.parse(Buffer.from(await storage.read(INDEX_FILES.summary)).toString()),
    );
  } catch (cause) {
    const problem = `is not what this version of gleaner writes. ${hint}`;
    throw new GleanerError('DAMAGED', { path: INDEX_FILES.summary, problem }, { cause });
  }
  const stats = createHash('sha256')
    .update(await storage.read('release/stats.json'))
    .digest('hex');
  if (stats !== summary.release)
    throw new GleanerError('RUN_NOT_FOUND', { path: dir, what: 'index of the release as it is now', hint });
  return summary;
}

export interface OpenIndexOptions extends RemovedRowsOptions {
  /** Threads that search embeddings; see `KnnOpenOptions`. @default 0 */
  readonly searchThreads?: number;
}

/** Times that an index is opened where another takes its place meanwhile. */
const TRIES = 5;

/**
 * Opens the index of a run.
 * @param onError told where it cannot be seen what was taken down since
 * @throws GleanerError as `readIndexSummary`
 */
export async function openIndex(
  dir: string,
  onError: (error: unknown) => void = console.error,
  options: OpenIndexOptions = {},
): Promise<OpenedIndex> {
  for (let tries = 1; ; tries++) {
    const before = await tableOf(dir);
    const same = async () => tries === TRIES || (await tableOf(dir)) === before;
    try {
      const opened = await openOnce(dir, onError, options);
      // Files of two indices do not belong together.
      if (await same()) return opened;
      await opened.close();
    } catch (error) {
      if (await same()) throw error;
    }
  }
}

async function openOnce(
  dir: string,
  onError: (error: unknown) => void,
  options: OpenIndexOptions,
): Promise<OpenedIndex> {
  const summary = await readIndexSummary(dir);
  const storage = fileStorage(dir);
  // What a takedown that was stopped has left in files.
  await deletePending(dir, storage);
  const opened: { close(): Promise<void> }[] = [];
  const keep = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const one = await opening;
    opened.push(one);
    return one;
  };
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const threads = options.searchThreads ?? 0;
    const image = await keep(openKnn(join(dir, INDEX_FILES.image), { threads }));
    const text = await keep(openKnn(join(dir, INDEX_FILES.text), { threads }));
    const fields = await keep(FieldTable.open(join(dir, INDEX_FILES.fields)));
    const captions = await keep(FullTextThread.open(join(dir, INDEX_FILES.captions)));
    const { places } = placesOf(summary);
    const rows = await keep(Promise.resolve(RowStore.open(dir, places)));
    const images = await keep(ImageStore.open(storage, { ...summary, places }));
    const map = await MapStore.open(storage);
    if (map) opened.push(map);
    const removed = await keep(RemovedRows.open(dir, onError, { ...options, sources: summary.sources }));
    const recipe = (await readRunFile(storage))?.recipe;
    let known = 0;
    return {
      name: basename(resolve(dir)),
      summary,
      contents: contentsOf(summary),
      table: removed.table,
      image,
      text,
      get fields() {
        // Seldom: what is taken down while the service runs.
        if (known !== removed.size) fields.remove(removed.ids);
        known = removed.size;
        return fields;
      },
      captions,
      rows,
      images,
      map,
      storage,
      removed,
      recipe,
      hasMap: map !== undefined,
      hasReport: (await storage.size(REPORT_FILE)) !== undefined,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The row of a SAMPLE_ID; undefined where there is none that may be shown. @throws GleanerError DAMAGED */
export function shownRow({ rows, removed }: OpenedIndex, id: number): ReleasedRow | undefined {
  if (!rows.has(id) || removed.has(id)) return undefined;
  const row = rows.get(id);
  return row && !removed.names(row, id) ? row : undefined;
}

/** The same of several, in their order. */
export function shownRows(index: OpenedIndex, ids: readonly number[]): readonly (ReleasedRow | undefined)[] {
  return ids.map((id) => shownRow(index, id));
}

function contentsOf({ release, sources }: IndexSummary): string {
  const names = [release, ...sources.map((source) => source.release)];
  return createHash('sha256').update(names.join(' ')).digest('hex').slice(0, 16);
}

/** Rows that may be shown. */
export function shownCount({ rows, removed }: OpenedIndex): number {
  return rows.places - removed.size;
}
