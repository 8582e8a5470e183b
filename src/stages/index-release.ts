import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FullTextIndex, type TextBatch } from '../fulltext/index.ts';
import { FieldTable, FLAT_MAX_ROWS, type KnnEngineName, type KnnFieldsBatch } from '../knn/index.ts';
import type { FileInfo, Storage } from '../storage/index.ts';
import { certify, type IndexCertificate, TARGET_RECALL } from './index-certificate.ts';
import { INDEX_FILES, type IndexSource, type IndexSummary, readSummary } from './index-files.ts';
import { indexVectorsInThread } from './index-in-thread.ts';
import { buildingName, sweepIndices, takePlace } from './index-place.ts';
import {
  damaged,
  fieldsOf,
  NO_PLACE,
  type Place,
  releasedPlaces,
  rowGroups,
  TableWriter,
} from './index-tables.ts';
import { indexVectors, VECTOR_PASSES, type VectorKind } from './index-vectors.ts';
import { drawMap } from './map/draw-map.ts';
import { readReleaseStats } from './release-stats.ts';
import { type ReleaseFiles, releaseFiles } from './released.ts';
import type { StageContext, StageResult } from './stage.ts';
import { writeRemoved } from './unindex.ts';
import { writeFiles } from './write-file.ts';

export interface IndexReleaseOptions {
  /** The folder of the run on this machine: what `ctx.storage` is the storage of. The engine writes its own files. */
  readonly dir: string;
  /** @default 'ivf' */
  readonly engine?: KnnEngineName;
  /** recall@10 that the indices are tuned to. @default 0.95 */
  readonly targetRecall?: number;
  /** What making an index may hold in memory, for each of the two, in bytes. @default the engine's */
  readonly memoryBytes?: number;
  /** Told of releases that had been added to the index before: they are not in the new one. */
  readonly onLeftOut?: (sources: readonly IndexSource[]) => void;
  /** Told of the certificate, DIR/index/recall.json. */
  readonly onCertificate?: (certificate: IndexCertificate) => void;
  /** Whether the map of the image embeddings is drawn. @default true */
  readonly map?: boolean;
}

/** Rows that `indexRelease` reports as progress, as times that it goes over them: metadata, fields, captions, and both kinds of vectors. */
export const INDEX_PASSES = 3 + 2 * VECTOR_PASSES;

/**
 * Builds DIR/index from DIR/release: a kNN index of the image embeddings and one of the text embeddings, the
 * metadata by SAMPLE_ID, and where each stored image lies. It is made under a temporary name and takes the place of
 * an older one at once. Memory: a row group of metadata, 28 bytes a
 * row for the columns to filter by, and what the engine needs to train.
 *
 * `files` of the result are those whose bytes stay as they are; the engine's change whenever they are opened.
 *
 * @throws GleanerError RUN_NOT_FOUND where there is no release, DAMAGED where its files do not agree
 */
export async function indexRelease(options: IndexReleaseOptions, ctx: StageContext): Promise<StageResult> {
  const { dir, engine = 'ivf', targetRecall = TARGET_RECALL } = options;
  const root = resolve(dir);
  const { stats, release } = await readReleaseStats(ctx.storage);
  await sweepIndices(root);
  const building = buildingName();
  const at = (path: string) => path.replace(/^index/, building);
  try {
    await mkdir(join(root, building), { recursive: true });
    const parts = Array.from({ length: stats.parts }, (_, part) => releaseFiles(part, stats.parts));
    const { files, nsfw, gaps } = await writeTables(parts, stats, at, ctx);
    await writeRemoved(
      ctx.storage,
      { version: 1, ids: gaps, pending: false, following: false },
      at(INDEX_FILES.removed),
    );
    await FieldTable.build(join(root, at(INDEX_FILES.fields)), fieldBatches(parts, ctx));
    await FullTextIndex.build(join(root, at(INDEX_FILES.captions)), captionBatches(parts, ctx));
    const { dimension } = stats.model;
    const build = (kind: VectorKind, both: StageContext) => {
      const path = join(root, at(INDEX_FILES[kind]));
      const { parts: count, rows } = stats;
      const { memoryBytes } = options;
      const task = { root, path, kind, parts: count, rows, dimension, engine, targetRecall, memoryBytes };
      // A thread costs a third of a second: what is flat has less to do.
      return rows > FLAT_MAX_ROWS ? indexVectorsInThread(task, both) : indexVectors(task, both);
    };
    const [image, text] = await together(ctx, (both) => [build('image', both), build('text', both)]);
    const knn = { image: image.stats, text: text.stats };
    const certificate = certify({ image, text }, { targetRecall, rows: stats.rows, dimension });
    await ctx.storage.put(at(INDEX_FILES.recall), `${JSON.stringify(certificate, null, 2)}\n`);
    options.onCertificate?.(certificate);
    for (const [kind, { rows }] of Object.entries(knn))
      if (rows !== stats.rows)
        throw damaged(`${kind}_emb`, `has ${rows} rows, but stats.json says ${stats.rows}`);
    const { rows, removed, model } = stats;
    const drawing = { root, parts, rows, places: rows + removed, dimension: model.dimension, at };
    if (options.map ?? true) files.push(...(await drawMap(drawing, ctx)));
    const summary = {
      version: 2,
      release,
      rows,
      removed,
      parts: stats.parts,
      sources: [],
      model,
      nsfw,
      knn,
    } satisfies IndexSummary;
    const info = await ctx.storage.put(at(INDEX_FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
    if (info) files.push(info);
    const sources = await sourcesOf(ctx.storage);
    await takePlace(root, building);
    if (sources.length > 0) options.onLeftOut?.(sources);
    return {
      files: files.map((file) => ({ ...file, path: file.path.replace(building, 'index') })),
      ledgers: { rows: { in: rows, out: rows, dropped: {} } },
      facts: { rows },
    };
  } finally {
    await rm(join(root, building), { recursive: true, force: true });
  }
}

/** Releases that were added to the index that is there, if it can be read. */
async function sourcesOf(storage: Storage): Promise<readonly IndexSource[]> {
  if ((await storage.size(INDEX_FILES.summary)) === undefined) return [];
  return (await readSummary(storage).catch(() => undefined))?.sources ?? [];
}

/** Waits for both; where one fails the other is ended, so that nothing is written any more when the error is told. */
async function together<T>(
  ctx: StageContext,
  begin: (both: StageContext) => readonly [Promise<T>, Promise<T>],
): Promise<readonly [T, T]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stop.signal]);
  const running = begin({ ...ctx, signal });
  try {
    return await Promise.all(running);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}

/** Metadata and image tables, in one go over the parts; a SAMPLE_ID without a row has a blank line and no picture. */
async function writeTables(
  parts: readonly ReleaseFiles[],
  { rows, removed }: { readonly rows: number; readonly removed: number },
  at: (path: string) => string,
  ctx: StageContext,
): Promise<{ files: FileInfo[]; nsfw: Record<string, number>; gaps: number[] }> {
  const nsfw = new Map<string, number>();
  const gaps: number[] = [];
  const paths = [INDEX_FILES.metadata, INDEX_FILES.metadataOffsets, INDEX_FILES.images].map(at);
  const files = await writeFiles(ctx.storage, paths, async ([lines, offsets, images]) => {
    if (!lines || !offsets || !images) throw new Error('a table has no file');
    const tables = new TableWriter({ lines, offsets, images });
    let id = 0;
    /** Blanks before the row that comes next. */
    const skipTo = (next: number, path: string): readonly Place[] => {
      if (next < id || gaps.length + next - id > removed)
        throw damaged(path, `row ${id - gaps.length} has SAMPLE_ID ${next}`);
      const blanks = Array.from({ length: next - id }, () => NO_PLACE);
      for (; id < next; id++) gaps.push(id);
      return blanks;
    };
    for (const [part, of] of parts.entries())
      for await (const group of releasedPlaces(ctx.storage, of)) {
        ctx.signal.throwIfAborted();
        const places: Place[] = [];
        for (const { id: next, row, place } of group) {
          places.push(...skipTo(next, of.metadata), place);
          nsfw.set(row.NSFW, (nsfw.get(row.NSFW) ?? 0) + 1);
          id++;
        }
        await tables.write(places, part);
        ctx.progress(group.length);
      }
    if (id - gaps.length !== rows)
      throw damaged('release/metadata', `has ${id - gaps.length} rows, but stats.json says ${rows}`);
    await tables.write(skipTo(rows + removed, 'release/metadata'), parts.length - 1);
    await tables.end();
  });
  return { files, nsfw: Object.fromEntries([...nsfw].sort()), gaps };
}

/** Texts and numbers that searches go by, and the number of their row. */
const FIELD_COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'URL', type: 'string' },
  { name: 'NSFW', type: 'string' },
  { name: 'WIDTH', type: 'int32' },
  { name: 'HEIGHT', type: 'int32' },
  { name: 'similarity', type: 'double' },
  { name: 'language', type: 'string' },
  { name: 'LICENSE', type: 'string' },
] as const;

/** What searches filter by, of all rows. */
async function* fieldBatches(
  parts: readonly ReleaseFiles[],
  ctx: StageContext,
): AsyncGenerator<KnnFieldsBatch, void, undefined> {
  for (const { metadata } of parts)
    for await (const rows of rowGroups(ctx.storage, metadata, FIELD_COLUMNS)) {
      ctx.signal.throwIfAborted();
      yield {
        ids: rows.map(({ SAMPLE_ID }) => Number(SAMPLE_ID)),
        fields: rows.map(fieldsOf),
      };
      ctx.progress(rows.length);
    }
}

const CAPTION_COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'TEXT', type: 'string' },
] as const;

async function* captionBatches(
  parts: readonly ReleaseFiles[],
  ctx: StageContext,
): AsyncGenerator<TextBatch, void, undefined> {
  for (const { metadata } of parts)
    for await (const rows of rowGroups(ctx.storage, metadata, CAPTION_COLUMNS)) {
      ctx.signal.throwIfAborted();
      yield { ids: rows.map(({ SAMPLE_ID }) => Number(SAMPLE_ID)), texts: rows.map(({ TEXT }) => TEXT) };
      ctx.progress(rows.length);
    }
}
