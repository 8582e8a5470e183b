import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { DigestSet, readLines } from '../formats/index.ts';
import { FullTextIndex } from '../fulltext/index.ts';
import { FieldTable, type KnnStats, openKnn, RowSet } from '../knn/index.ts';
import type { Tombstones } from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSink, fileStorage, type Storage } from '../storage/index.ts';
import { noteAdded } from './index-certificate.ts';
import { INDEX_FILES, type IndexSource, type IndexSummary, placesOf, readSummary } from './index-files.ts';
import { buildingName, finishPlace, sweepIndices, takePlace } from './index-place.ts';
import { fieldsOf, releasedPlaces, TableWriter } from './index-tables.ts';
import { type VectorKind, vectorBatches } from './index-vectors.ts';
import { type ReleaseStats, readReleaseStats } from './release-stats.ts';
import { releaseFiles } from './released.ts';
import type { StageContext } from './stage.ts';
import { deletePending } from './unindex.ts';

/** Rows that go into the engine at once: each time it writes a segment, and reads all of its index. */
const ADD_ROWS = 50_000;
/** Times that `addRelease` goes over the rows: tables, and both kinds of vectors. */
export const ADD_PASSES = 3;

export interface AddReleaseOptions {
  /** Folder of the run whose index grows, on this machine. */
  readonly dir: string;
  /** Folder of the run whose release is added. */
  readonly from: string;
  /** What was taken down from the run of the index: it does not come back this way. */
  readonly tombstones: Tombstones;
}

/** What became of the rows of a release that was added. */
export interface AddedRelease {
  /** Rows that can be searched now and could not before. */
  readonly added: number;
  /** Rows whose pair, the same picture address with the same text, was in the index. */
  readonly known: number;
  /** Rows that were taken down from the run of the index. */
  readonly removed: number;
  /** Whether this release had been added before: then nothing was done. */
  readonly before: boolean;
}

/**
 * Adds the rows of another release to an index: their SAMPLE_IDs follow those that are there. Only what is new is looked at
 * by the engines; the rest is copied, or shared where the file system can. The index that was there stays whole until the new
 * one takes its place at once, so that this may be stopped anywhere and given again. Not for two at once.
 *
 * Memory: 16 bytes a row of the index, its columns to filter by, what opening an index of vectors takes, and 50,000 vectors.
 *
 * @throws GleanerError RUN_NOT_FOUND, DAMAGED; USAGE where the model is another
 */
export async function addRelease(options: AddReleaseOptions, ctx: StageContext): Promise<AddedRelease> {
  const root = resolve(options.dir);
  const from = fileStorage(options.from);
  const { stats, release } = await readReleaseStats(from);
  await finishPlace(root);
  await sweepIndices(root);
  const summary = await readOwnSummary(ctx.storage);
  checkModel(summary, stats, options);
  if (release === summary.release || summary.sources.some((source) => source.release === release))
    return { added: 0, known: stats.rows, removed: 0, before: true };
  await deletePending(root, ctx.storage);
  const building = buildingName();
  const at = (path: string) => path.replace(/^index/, building);
  try {
    await copyIndex(root, building);
    const adding: Adding = { root, from, stats, first: placesOf(summary).places, at, ctx };
    const rows = await addRows(adding, await pairsOf(ctx.storage), options.tombstones);
    const { added, known, removed } = rows;
    const image = await addVectors(adding, 'image', rows);
    const text = await addVectors(adding, 'text', rows);
    const source: IndexSource = {
      path: relative(root, resolve(options.from)).split(sep).join('/'),
      ...{ release, first: adding.first, rows: added, parts: stats.parts },
    };
    await noteAdded(ctx.storage, at(INDEX_FILES.recall), added);
    const grown: IndexSummary = {
      ...summary,
      rows: summary.rows + added,
      sources: [...summary.sources, source],
      nsfw: sum(summary.nsfw, rows.nsfw),
      knn: { image, text },
    };
    await ctx.storage.put(at(INDEX_FILES.summary), `${JSON.stringify(grown, null, 2)}\n`);
    await refuseOther(ctx.storage, summary);
    await takePlace(root, building);
    return { added, known, removed, before: false };
  } finally {
    await rm(join(root, building), { recursive: true, force: true });
  }
}

/** The index of the release that is there. @throws GleanerError RUN_NOT_FOUND, DAMAGED */
async function readOwnSummary(storage: Storage): Promise<IndexSummary> {
  const hint = `Make it with gleaner index ${storage.location}`;
  const missing = (what: string) => new GleanerError('RUN_NOT_FOUND', { path: storage.location, what, hint });
  if ((await storage.size(INDEX_FILES.summary)) === undefined) throw missing('index');
  const summary = await readSummary(storage);
  if ((await readReleaseStats(storage)).release !== summary.release)
    throw missing('index of the release as it is now');
  return summary;
}

/** Vectors of two models mean nothing to each other. @throws GleanerError USAGE */
function checkModel(
  { model }: IndexSummary,
  { model: other }: ReleaseStats,
  options: AddReleaseOptions,
): void {
  const names = new Set([...Object.keys(model.files), ...Object.keys(other.files)]);
  const differs = [...names].sort().find((name) => model.files[name] !== other.files[name]);
  if (differs === undefined && model.dimension === other.dimension) return;
  const what = differs ?? 'the dimension';
  const problem = `--add ${options.from}: was made with another model, '${other.name}', than ${options.dir}, '${model.name}' (${what} differs). Only releases of one model can be searched together.`;
  throw new GleanerError('USAGE', { problem });
}

/** @throws GleanerError FILE_FAILED where another index has come meanwhile */
async function refuseOther(storage: Storage, before: IndexSummary): Promise<void> {
  if (JSON.stringify(await readSummary(storage)) === JSON.stringify(before)) return;
  const problem = 'was made anew or changed while rows were added to it. Give the same command again';
  throw new GleanerError('FILE_FAILED', { path: `${storage.location}/index`, problem });
}

/** Files whose bytes are never changed but for rows that are taken down: two indices can share them. */
const SHARED = /\.(?:lists|ids|codes|factors|vectors|bytes|lengths|starts|bin|sqlite)$/;

/** A copy of the index to work on; large files are shared with it, or copied where the file system cannot. */
async function copyIndex(root: string, building: string): Promise<void> {
  const from = join(root, 'index');
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const to = join(root, building, relative(from, path));
    await mkdir(entry.isDirectory() ? to : join(to, '..'), { recursive: true });
    if (!entry.isFile()) continue;
    const shared = SHARED.test(entry.name) && (await linked(path, to));
    if (!shared) await copyFile(path, to, constants.COPYFILE_FICLONE);
  }
}

/** @returns false where the file system has no second names */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      /^(?:EPERM|ENOTSUP|ENOSYS|EMLINK|EXDEV)$/.test(String(error.code))
    )
      return false;
    throw error;
  }
}

/** The uids of all rows of an index. */
async function pairsOf(storage: Storage): Promise<DigestSet> {
  const pairs = new DigestSet();
  for await (const line of readLines(storage.stream(INDEX_FILES.metadata), { name: INDEX_FILES.metadata })) {
    // No text can hold this: a quotation mark in one is written with a backslash before it.
    const uid = /"uid":"([0-9a-f]{32})"/.exec(line)?.[1];
    if (uid !== undefined) pairs.add(Buffer.from(uid, 'hex'));
  }
  return pairs;
}

interface Adding {
  readonly root: string;
  readonly from: Storage;
  readonly stats: ReleaseStats;
  /** SAMPLE_ID of the first new row. */
  readonly first: number;
  readonly at: (path: string) => string;
  readonly ctx: StageContext;
}
interface AddedRows extends Omit<AddedRelease, 'before'> {
  /** Numbers, in their own release, of the rows that were added. */
  readonly taken: RowSet;
  readonly nsfw: Readonly<Record<string, number>>;
}

/** Adds rows to tables, columns and words. */
async function addRows(
  { root, from, stats, first, at, ctx }: Adding,
  pairs: DigestSet,
  tombstones: Tombstones,
): Promise<AddedRows> {
  const taken = new RowSet(stats.rows + stats.removed);
  const nsfw: Record<string, number> = {};
  let [added, known, removed] = [0, 0, 0];
  await using tables = await openTables(root, at, first);
  const fields = await FieldTable.open(join(root, at(INDEX_FILES.fields)), { readOnly: false });
  const captions = await FullTextIndex.open(join(root, at(INDEX_FILES.captions)), { readOnly: false });
  try {
    for (let part = 0; part < stats.parts; part++)
      for await (const group of releasedPlaces(from, releaseFiles(part, stats.parts))) {
        ctx.signal.throwIfAborted();
        const fresh = group.filter(({ id, row }) => {
          const pair = { uid: row.uid, url: row.URL, page_url: row.page_url };
          const gone = tombstones.names(pair) || tombstones.hasSha256(row.sha256);
          const again = !gone && pairs.has(Buffer.from(row.uid, 'hex'));
          if (gone) removed++;
          else if (again) known++;
          else taken.add(id);
          return !gone && !again;
        });
        const ids = fresh.map((_, i) => first + added + i);
        await tables.writer.write(
          fresh.map(({ place }) => place),
          part,
        );
        fields.add({ ids, fields: fresh.map(({ row }) => fieldsOf(row)) });
        await captions.add({ ids, texts: fresh.map(({ row }) => row.TEXT) });
        for (const { row } of fresh) nsfw[row.NSFW] = (nsfw[row.NSFW] ?? 0) + 1;
        added += fresh.length;
        ctx.progress(group.length);
      }
    if (added + known + removed !== stats.rows) {
      const problem = `has ${added + known + removed} rows, but stats.json says ${stats.rows}.`;
      throw new GleanerError('DAMAGED', { path: `${from.location}/release/metadata`, problem });
    }
    await tables.writer.end();
  } finally {
    await fields.close();
    await captions.close();
  }
  return { added, known, removed, taken, nsfw };
}

/** The tables of an index, to write on behind its last row. */
async function openTables(
  root: string,
  at: (path: string) => string,
  places: number,
): Promise<{ writer: TableWriter } & AsyncDisposable> {
  const lines = join(root, at(INDEX_FILES.metadata));
  const offsets = join(root, at(INDEX_FILES.metadataOffsets));
  const { size } = await stat(lines);
  const paths = [lines, offsets, join(root, at(INDEX_FILES.images))];
  const files = await Promise.all(paths.map((path) => open(path, 'a')));
  // Where the last line ends is where the first new one begins: it is written as that.
  await files[1]?.truncate(places * BigUint64Array.BYTES_PER_ELEMENT);
  const [ofLines, ofOffsets, ofImages] = files.map(
    (file): ByteSink => ({ write: (b) => file.appendFile(b) }),
  );
  if (!ofLines || !ofOffsets || !ofImages) throw new Error('a table has no file');
  const writer = new TableWriter({ lines: ofLines, offsets: ofOffsets, images: ofImages }, size);
  return {
    writer,
    async [Symbol.asyncDispose]() {
      for (const file of files) {
        await file.datasync();
        await file.close();
      }
    },
  };
}

/** Adds the vectors of the rows that were taken, in the same order. */
async function addVectors(
  { root, from, stats, first, at, ctx }: Adding,
  kind: VectorKind,
  { taken, added }: AddedRows,
): Promise<KnnStats> {
  const { dimension } = stats.model;
  const index = await openKnn(join(root, at(INDEX_FILES[kind])), { readOnly: false });
  try {
    const room = Math.min(ADD_ROWS, added);
    const vectors = new Float32Array(room * dimension);
    let [waiting, done] = [0, 0];
    const add = async () => {
      const ids = Array.from({ length: waiting }, (_, i) => first + done + i);
      if (waiting > 0) await index.add({ ids, vectors: vectors.subarray(0, waiting * dimension) });
      done += waiting;
      waiting = 0;
    };
    for await (const batch of vectorBatches({ parts: stats.parts, dimension }, kind, {
      ...ctx,
      storage: from,
    })) {
      ctx.signal.throwIfAborted();
      for (const [i, id] of batch.ids.entries()) {
        if (!taken.has(id)) continue;
        vectors.set(batch.vectors.subarray(i * dimension, (i + 1) * dimension), waiting++ * dimension);
        if (waiting === room) await add();
      }
    }
    await add();
    if (done === added) return await index.stats();
    const problem = `has ${done} of ${added} rows that its metadata has.`;
    throw new GleanerError('DAMAGED', { path: `${from.location}/release/${kind}_emb`, problem });
  } finally {
    await index.close();
  }
}

function sum(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(names.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
