import type { Embedder } from '../embedder.ts';
import { badRequest, RequestError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type OpenedIndex, shownRow } from '../opened-index.ts';
import { embedQuery, type FetchImage } from '../query.ts';
import type { ParsedPart } from './schemas.ts';

/** What queries are made into vectors with. */
export interface QueryTools {
  readonly index: OpenedIndex;
  readonly embedder: Embedder;
  /** @default none: parts that are addresses are refused */
  readonly fetchImage?: FetchImage | undefined;
  readonly metrics: Metrics;
}

/** A query of one or several parts. */
export interface QueryVector {
  /** The sum of the parts by their weights, of length 1. */
  readonly vector: Float32Array;
  /** In the order of the query, each of length 1. */
  readonly parts: readonly { readonly vector: Float32Array; readonly weight: number }[];
}

/** A sum shorter than this, of parts of length 1, has no direction but that of rounding errors. */
const SHORTEST = 1e-4;

/**
 * Makes vectors of the parts and adds them up.
 *
 * @throws RequestError 400 where a part cannot be made into one, or the parts cancel each other out; 404 where a row is gone
 */
export async function queryVector(
  parts: readonly ParsedPart[],
  modality: 'image' | 'text',
  tools: QueryTools,
): Promise<QueryVector> {
  const sum = new Float64Array(tools.embedder.dimension);
  const made: { vector: Float32Array; weight: number }[] = [];
  for (const [i, part] of parts.entries()) {
    const vector = unit(await partVector(part, `query.${i}`, modality, tools));
    made.push({ vector, weight: part.weight });
    for (let n = 0; n < sum.length; n++) sum[n] = (sum[n] ?? 0) + part.weight * (vector[n] ?? 0);
  }
  if (Math.hypot(...sum) < SHORTEST) throw badRequest('query: its parts cancel each other out');
  return { vector: unit(sum), parts: made };
}

async function partVector(
  part: ParsedPart,
  at: string,
  modality: 'image' | 'text',
  { index, embedder, fetchImage, metrics }: QueryTools,
): Promise<Float32Array> {
  if ('id' in part) {
    const row = shownRow(index, part.id);
    const vector = row && (await index[modality].fetch([part.id])).get(part.id);
    if (!vector) throw new RequestError(404, `${at}.id: there is no row ${part.id}`);
    return vector;
  }
  const names = { image: `${at}.image`, imageUrl: `${at}.imageUrl`, embedding: `${at}.embedding` };
  return embedQuery(part, embedder, fetchImage, metrics, names);
}

function unit(vector: Float32Array | Float64Array): Float32Array {
  const norm = Math.hypot(...vector);
  return Float32Array.from(vector, (x) => x / norm);
}
