import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import {
  type Column,
  npyInfo,
  parquetInfo,
  readNpyRows,
  readParquetRowGroup,
  readParquetRows,
} from '../formats/index.ts';
import { FullTextIndex, type TextBatch } from '../fulltext/index.ts';
import {
  FieldTable,
  type KnnBatch,
  type KnnEngineName,
  type KnnFieldsBatch,
  knnEngines,
} from '../knn/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSource, type FileInfo, type Storage, streamSource } from '../storage/index.ts';
import { IMAGE_RECORD_BYTES, INDEX_FILES, type IndexSummary, modelSchema } from './index-files.ts';
import { drawMap } from './map/draw-map.ts';
import { RELEASE_COLUMNS, type ReleaseFiles, releaseFiles } from './released.ts';
import type { StageContext, StageResult } from './stage.ts';
import { storedImages } from './stored-images.ts';
import { writeRemoved } from './unindex.ts';
import { writeFiles } from './write-file.ts';

export interface IndexReleaseOptions {
  /** The folder of the run on this machine: what `ctx.storage` is the storage of. The engine writes its own files. */
  readonly dir: string;
  /** @default 'ivf' */
  readonly engine?: KnnEngineName;
  /** Threads for training. @default 2 */
  readonly threads?: number;
  /** Whether the map of the image embeddings is drawn. @default true */
  readonly map?: boolean;
}

/** Times that `indexRelease` goes over the rows, so the rows it reports as progress in all: metadata, fields, captions, image vectors, text vectors. */
export const INDEX_PASSES = 5;

/** What the index needs to know of release/stats.json. */
const statsSchema = z.object({
  rows: z.int().min(0),
  removed: z.int().min(0).default(0),
  parts: z.int().positive(),
  model: modelSchema,
});

/** Rows given to the engine at once. */
const BATCH_ROWS = 4096;

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
  const { dir, engine = 'ivf', threads = 2 } = options;
  const root = resolve(dir);
  const { stats, release } = await readStats(ctx.storage);
  await sweep(root);
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
    const build = async (kind: 'image' | 'text') =>
      knnEngines[engine].build(
        join(root, at(INDEX_FILES[kind])),
        {
          dimension: stats.model.dimension,
          rows: stats.rows,
          // As the release has them: nothing is lost.
          precision: 'float16',
          threads,
          signal: ctx.signal,
        },
        vectorBatches(parts, kind, stats.model.dimension, ctx),
      );
    const knn = { image: await build('image'), text: await build('text') };
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
      model,
      nsfw,
      knn,
    } satisfies IndexSummary;
    const info = await ctx.storage.put(at(INDEX_FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
    if (info) files.push(info);
    await takePlace(root, building);
    return {
      files: files.map((file) => ({ ...file, path: file.path.replace(building, 'index') })),
      ledgers: { rows: { in: rows, out: rows, dropped: {} } },
      facts: { rows },
    };
  } finally {
    await rm(join(root, building), { recursive: true, force: true });
  }
}

async function readStats(storage: Storage): Promise<{ stats: z.infer<typeof statsSchema>; release: string }> {
  const path = 'release/stats.json';
  if ((await storage.size(path)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: 'Make one with gleaner run.',
    });
  const bytes = await storage.read(path);
  const release = createHash('sha256').update(bytes).digest('hex');
  try {
    return { stats: statsSchema.parse(JSON.parse(new TextDecoder().decode(bytes))), release };
  } catch (cause) {
    throw damaged(path, 'lacks rows, parts or model', cause);
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
    let id = 0;
    let position = 0;
    /** Writes what comes next: rows, and blanks before them. */
    const write = async (places: readonly Place[], part: number) => {
      const starts = new BigUint64Array(places.length);
      const table = new DataView(new ArrayBuffer(places.length * IMAGE_RECORD_BYTES));
      for (const [i, { offset, length, line }] of places.entries()) {
        table.setBigUint64(i * IMAGE_RECORD_BYTES, BigInt(offset), true);
        table.setUint32(i * IMAGE_RECORD_BYTES + 8, length, true);
        table.setUint32(i * IMAGE_RECORD_BYTES + 12, part, true);
        starts[i] = BigInt(position);
        position += line.length;
      }
      await lines?.write(Buffer.concat(places.map(({ line }) => line)));
      await offsets?.write(new Uint8Array(starts.buffer));
      await images?.write(new Uint8Array(table.buffer));
    };
    const skipTo = (next: number, path: string): readonly Place[] => {
      if (next < id || gaps.length + next - id > removed)
        throw damaged(path, `row ${id - gaps.length} has SAMPLE_ID ${next}`);
      const blanks = Array.from({ length: next - id }, () => NO_PLACE);
      for (; id < next; id++) gaps.push(id);
      return blanks;
    };
    for (const [part, { metadata, images: tar }] of parts.entries()) {
      const members = storedImages(ctx.storage, tar);
      for await (const group of rowGroups(ctx.storage, metadata, RELEASE_COLUMNS)) {
        const places: Place[] = [];
        for (const { SAMPLE_ID, ...row } of group) {
          ctx.signal.throwIfAborted();
          places.push(...skipTo(Number(SAMPLE_ID), metadata));
          const { value: member } = await members.next();
          if (member?.name !== `${row.key}.jpg`)
            throw damaged(tar, `has ${member?.name ?? 'no member'} in place of ${row.key}.jpg`);
          const { offset, length } = member;
          places.push({ offset, length, line: Buffer.from(`${JSON.stringify(row)}\n`) });
          nsfw.set(row.NSFW, (nsfw.get(row.NSFW) ?? 0) + 1);
          id++;
        }
        await write(places, part);
        ctx.progress(group.length);
      }
      if (!(await members.next()).done) throw damaged(tar, 'holds more images than its metadata has rows');
    }
    if (id - gaps.length !== rows)
      throw damaged('release/metadata', `has ${id - gaps.length} rows, but stats.json says ${rows}`);
    await write(skipTo(rows + removed, 'release/metadata'), parts.length - 1);
    await offsets?.write(new Uint8Array(BigUint64Array.of(BigInt(position)).buffer));
  });
  return { files, nsfw: Object.fromEntries([...nsfw].sort()), gaps };
}

/** A row in the tables: where its picture lies, and what is said of it. */
interface Place {
  readonly offset: number;
  readonly length: number;
  readonly line: Uint8Array;
}
const NO_PLACE: Place = { offset: 0, length: 0, line: Buffer.from('\n') };

function rowGroups<const C extends readonly Column[]>(storage: Storage, path: string, columns: C) {
  return streamSource(storage, path, async function* (source) {
    const info = await parquetInfo(source, path);
    for (const group of info.rowGroups.keys())
      yield await readParquetRowGroup(source, columns, group, { info, name: path });
  });
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
        fields: rows.map(
          ({
            URL: url,
            NSFW: nsfw,
            WIDTH: width,
            HEIGHT: height,
            similarity,
            language,
            LICENSE: license,
          }) => ({
            ...{ nsfw, width, height, similarity, language, license },
            host: hostOf(url),
          }),
        ),
      };
      ctx.progress(rows.length);
    }
}

/** The host of a URL as it is asked for, or nothing where it is none. */
function hostOf(url: string): string {
  return URL.parse(url)?.hostname ?? '';
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

const ID_COLUMNS = [{ name: 'SAMPLE_ID', type: 'int64' }] as const;

async function* vectorBatches(
  parts: readonly ReleaseFiles[],
  kind: 'image' | 'text',
  dimension: number,
  ctx: StageContext,
): AsyncGenerator<KnnBatch, void, undefined> {
  for (const { metadata, imageEmbeddings, textEmbeddings } of parts) {
    const path = kind === 'image' ? imageEmbeddings : textEmbeddings;
    await using opened = await openBoth(ctx.storage, path, metadata);
    const info = await npyInfo(opened.vectors, path);
    if (info.rows === 0) continue;
    if (info.columns !== dimension)
      throw damaged(path, `has vectors of ${info.columns}, the model gives ${dimension}`);
    const rows = readParquetRows(opened.metadata, ID_COLUMNS, { name: metadata });
    for (let rowStart = 0; rowStart < info.rows; rowStart += BATCH_ROWS) {
      const rowEnd = Math.min(rowStart + BATCH_ROWS, info.rows);
      const vectors = await readNpyRows(opened.vectors, { rowStart, rowEnd, info, name: path });
      const ids: number[] = [];
      while (ids.length < rowEnd - rowStart) {
        const { value: row } = await rows.next();
        if (!row) throw damaged(path, `has ${info.rows} rows, more than its metadata`);
        ids.push(Number(row.SAMPLE_ID));
      }
      yield { ids, vectors };
      ctx.progress(ids.length);
    }
  }
}

async function openBoth(
  storage: Storage,
  vectorsPath: string,
  metadataPath: string,
): Promise<{ vectors: ByteSource; metadata: ByteSource } & AsyncDisposable> {
  const vectors = await storage.open(vectorsPath);
  const metadata = await storage.open(metadataPath).catch(async (error: unknown) => {
    await vectors.close();
    throw error;
  });
  return {
    vectors,
    metadata,
    async [Symbol.asyncDispose]() {
      await Promise.all([vectors.close(), metadata.close()]);
    },
  };
}

/** Begins the name of a folder in which an index is being made; machine, process and a random number follow. */
const BUILDING = '.index-building-';

function buildingName(): string {
  return `${BUILDING}${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what killed builds of this machine left. */
async function sweep(root: string): Promise<void> {
  const prefix = `${BUILDING}${hostname()}-`;
  for (const name of await readdir(root)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isInteger(pid) && !isRunning(pid))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Puts the new index in the place of the old. A service that has the old one open keeps its files. */
async function takePlace(root: string, building: string): Promise<void> {
  const place = join(root, 'index');
  const old = join(root, `${building}-old`);
  while (!(await renamed(join(root, building), place, ['ENOTEMPTY', 'EEXIST']))) {
    // Whoever else builds at once may take it away first.
    await renamed(place, old, ['ENOENT']);
    await rm(old, { recursive: true, force: true });
  }
}

/** @returns false where it failed with one of these codes */
async function renamed(from: string, to: string, codes: readonly string[]): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return false;
    throw error;
  }
}

function damaged(path: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('DAMAGED', { path, problem: `${problem}.` }, cause === undefined ? {} : { cause });
}
