import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { npyInfo, readNpyRows, readParquetRows } from '../formats/index.ts';
import {
  effortFor,
  type KnnBatch,
  type KnnEngineName,
  type KnnStats,
  knnEngines,
  measureRecall,
  type Recall,
  type RecallQueries,
  TrueNeighbours,
} from '../knn/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { ByteSource, Storage } from '../storage/index.ts';
import { releaseFiles } from './released.ts';
import type { StageContext } from './stage.ts';

/** What one index of embeddings is made of. Plain data: it goes to a thread. */
export interface IndexVectorsTask {
  /** The folder of the run. */
  readonly root: string;
  /** Folder of the index, which is not there yet. */
  readonly path: string;
  readonly kind: VectorKind;
  readonly parts: number;
  readonly rows: number;
  readonly dimension: number;
  readonly engine: KnnEngineName;
  readonly targetRecall: number;
  /** What the engine may hold while it is built. @default the engine's */
  readonly memoryBytes?: number | undefined;
}
export type VectorKind = 'image' | 'text';

/** What was made, and how good it is. */
export interface IndexedVectors {
  readonly stats: KnnStats;
  readonly certificate: VectorCertificate;
}

export interface VectorCertificate {
  readonly engine: string;
  readonly parameters: KnnStats['parameters'];
  /** By whose embeddings are searched with. */
  readonly queries: Readonly<Record<VectorKind, QueryCertificate>>;
  /** Bytes on disk for each row. */
  readonly bytesPerRow: number;
  /** Resident memory that opening it takes, for each row. */
  readonly memoryPerRow: number;
  readonly buildSeconds: number;
}

interface QueryCertificate {
  readonly queries: number;
  readonly recall: Recall;
  /** One after the other on one thread, k = 10. */
  readonly searchesPerSecond: number;
}

/** Queries of each kind: with 10 neighbours each the error of a recall of .95 is a half of a hundredth. */
const QUERIES = 200;
/** Rows given to the engine at once. */
const BATCH_ROWS = 4096;
/** What making the index takes after all rows are read, as times that it goes over them. */
const BUILD_PASSES = 4;

/** Times that `indexVectors` goes over the rows: for the index, and for true neighbours; and what the index takes beside. */
export const VECTOR_PASSES = 2 + BUILD_PASSES;

/**
 * Builds an index of the embeddings of a release, tunes it so that recall@10 reaches a target for both kinds of queries,
 * and measures it against exact search. Queries are embeddings of rows that lie evenly in the release; no row is counted as
 * found by its own embedding.
 *
 * @throws GleanerError DAMAGED where the files do not agree
 */
export async function indexVectors(task: IndexVectorsTask, ctx: StageContext): Promise<IndexedVectors> {
  const { path, kind, rows, dimension, targetRecall, memoryBytes } = task;
  const engine = knnEngines[task.engine];
  const began = performance.now();
  let told = 0;
  const onProgress = (share: number) => {
    const done = Math.floor(share * BUILD_PASSES * rows);
    ctx.progress(done - told);
    told = done;
  };
  const built = await engine.build(
    path,
    {
      // As the release has them: nothing is lost.
      ...{ dimension, rows, precision: 'float16' },
      ...{ signal: ctx.signal, onProgress, ...(memoryBytes !== undefined && { memoryBytes }) },
    },
    vectorBatches(task, kind, ctx),
  );
  onProgress(1);
  const buildSeconds = (performance.now() - began) / 1000;
  const before = process.memoryUsage().rss;
  const index = await engine.open(path);
  try {
    const memory = Math.max(0, process.memoryUsage().rss - before);
    const kinds = await sampleQueries(task, ctx.storage);
    const neighbours = kinds.map(({ queries }) => new TrueNeighbours(queries, dimension));
    for await (const batch of vectorBatches(task, kind, ctx)) for (const one of neighbours) one.add(batch);
    const known = kinds.map((one, i) => ({ ...one, truth: neighbours[i]?.take() ?? [] }));
    const effort = await effortFor(index, known, targetRecall);
    const certified: [VectorKind, QueryCertificate][] = [];
    for (const { kind: of, queries, truth } of known)
      certified.push([
        of,
        { queries: truth.length, ...(await measureRecall(index, queries, truth, effort)) },
      ]);
    const stats: KnnStats = { ...built, parameters: await engine.setEffort(path, effort) };
    const certificate: VectorCertificate = {
      engine: `${stats.engine} ${stats.version}`,
      parameters: stats.parameters,
      queries: Object.fromEntries(certified) as Record<VectorKind, QueryCertificate>,
      bytesPerRow: rows === 0 ? 0 : Math.round((await folderBytes(path)) / rows),
      memoryPerRow: rows === 0 ? 0 : Math.round(memory / rows),
      buildSeconds: Math.round(buildSeconds * 10) / 10,
    };
    return { stats, certificate };
  } finally {
    await index.close();
  }
}

async function folderBytes(path: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(path)) bytes += (await stat(join(path, name))).size;
  return bytes;
}

/** Embeddings of both kinds of rows that lie evenly in the release. */
async function sampleQueries(
  task: IndexVectorsTask,
  storage: Storage,
): Promise<{ kind: VectorKind; queries: RecallQueries }[]> {
  const wanted = Math.min(QUERIES, task.rows);
  const sampled: { kind: VectorKind; queries: RecallQueries }[] = [];
  for (const kind of ['text', 'image'] as const) {
    const vectors = new Float32Array(wanted * task.dimension);
    const except = new Int32Array(wanted).fill(-1);
    let taken = 0;
    let row = 0;
    const quiet = { storage, signal: new AbortController().signal, progress: () => undefined };
    for await (const batch of vectorBatches(task, kind, quiet))
      for (const [i, id] of batch.ids.entries()) {
        if (row++ !== Math.floor((taken * task.rows) / wanted) || taken === wanted) continue;
        vectors.set(
          batch.vectors.subarray(i * task.dimension, (i + 1) * task.dimension),
          taken * task.dimension,
        );
        if (kind === task.kind) except[taken] = id;
        taken++;
      }
    sampled.push({ kind, queries: { vectors, except } });
  }
  return sampled;
}

const ID_COLUMNS = [{ name: 'SAMPLE_ID', type: 'int64' }] as const;

/** Embeddings of one kind with their SAMPLE_IDs. */
export async function* vectorBatches(
  { parts, dimension }: Pick<IndexVectorsTask, 'parts' | 'dimension'>,
  kind: VectorKind,
  ctx: StageContext,
): AsyncGenerator<KnnBatch, void, undefined> {
  for (let part = 0; part < parts; part++) {
    const { metadata, imageEmbeddings, textEmbeddings } = releaseFiles(part, parts);
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

function damaged(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem: `${problem}.` });
}
