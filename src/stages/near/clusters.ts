import { DotProducts } from '../../knn/dot-products.ts';
import { kMeans, mix, nearestRow, setRows } from '../../knn/k-means.ts';
import { normalizeRows } from '../../knn/vector.ts';
import { RecordFile } from '../../storage/index.ts';
import { embeddingsOf, embeddingWords } from './meanings.ts';

/** Clusters that a set of rows is parted into at once: each is a file that is being written. */
const MAX_PARTS = 64;
/** Rows that centres are trained on, for each. Faiss wants 39 at least and takes no more than 256. */
const SAMPLE = 128;
/** How often rows are parted, at most: 64 to the sixth are more clusters than there are rows. */
const MAX_DEPTH = 6;
/** What has nearly all rows of what it is a part of cannot be parted: they are all alike. */
const UNPARTED = 0.9;

/** Embeddings on disk or elsewhere: records as `embeddingWords` says, in blocks, as often as one likes. */
export interface Embeddings {
  readonly size: number;
  read(): AsyncIterable<Uint32Array>;
}

export interface ClusterOptions {
  readonly dimension: number;
  /** What clusters should have, on average. */
  readonly rowsPerCluster: number;
  readonly seed: number;
  /** For what lies on disk meanwhile: as much as the embeddings, for each time that rows are parted. */
  readonly folder: string;
}

/**
 * Parts embeddings into clusters by k-means, in steps of up to 64 clusters, each trained on a sample that the seed picks by
 * ranks. Memory does not grow with the rows. Which rows are together is a pure function of rows, ranks and seed: not of the
 * order in which they come.
 *
 * @yields clusters, each good until the next is asked for; the order of its rows is any
 */
export async function* clustersOf(
  rows: Embeddings,
  options: ClusterOptions,
  depth = 0,
): AsyncGenerator<Embeddings> {
  const clusters = Math.round(rows.size / options.rowsPerCluster);
  if (clusters < 2 || depth === MAX_DEPTH) {
    if (rows.size > 0) yield rows;
    return;
  }
  const steps = Math.ceil(Math.log(clusters) / Math.log(MAX_PARTS));
  const parts = await part(rows, Math.ceil(clusters ** (1 / steps)), options);
  try {
    for (const one of parts) {
      yield* clustersOf(one, options, one.size > UNPARTED * rows.size ? MAX_DEPTH : depth + 1);
      await one[Symbol.asyncDispose]();
    }
  } finally {
    for (const one of parts) await one[Symbol.asyncDispose]();
  }
}

async function part(rows: Embeddings, clusters: number, options: ClusterOptions): Promise<RecordFile[]> {
  const { dimension, folder } = options;
  const words = embeddingWords(dimension);
  const centres = new DotProducts(dimension);
  setRows(centres, await train(rows, clusters, options));
  const files = Array.from({ length: centres.rows }, () => new RecordFile(folder, words));
  try {
    for await (const block of rows.read()) {
      // The nearest centre is the same whatever the length of a row.
      const nearest = nearestRow(centres, embeddingsOf(block, dimension));
      for (let row = 0; row < nearest.length; row++)
        await files[nearest[row] ?? 0]?.append(block.subarray(row * words, (row + 1) * words));
    }
    return files;
  } catch (error) {
    for (const file of files) await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function train(
  rows: Embeddings,
  clusters: number,
  { dimension, seed }: ClusterOptions,
): Promise<Float32Array> {
  const words = embeddingWords(dimension);
  const limit = ((SAMPLE * clusters) / rows.size) * 2 ** 32;
  const sample: Uint32Array[] = [];
  for await (const block of rows.read())
    for (let at = 0; at < block.length; at += words)
      if (mix(block[at] ?? 0, seed) < limit) sample.push(block.slice(at, at + words));
  sample.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  const vectors = new Float32Array(sample.length * dimension);
  for (const [i, record] of sample.entries()) vectors.set(embeddingsOf(record, dimension), i * dimension);
  return kMeans(normalizeRows(vectors, dimension), { dimension, clusters, seed });
}
