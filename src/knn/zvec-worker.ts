import { parentPort } from 'node:worker_threads';
import {
  type ZVecCollection,
  ZVecCollectionSchema,
  ZVecCreateAndOpen,
  ZVecDataType,
  type ZVecDoc,
  ZVecIndexType,
  ZVecMetricType,
  ZVecOpen,
  type ZVecQuery,
  type ZVecStatus,
  type ZVecVectorSchema,
} from '@zvec/zvec';
import type { KnnBatch, KnnHit, KnnSearchOptions } from './types.ts';
import { compareHits, dot, normalizeQuery, normalizeRows } from './vector.ts';
import type { FlatHits, ZvecReply, ZvecRequest } from './zvec-calls.ts';
import { encodeText, zvecFilter } from './zvec-filter.ts';
import type { ZvecPlan } from './zvec-plan.ts';

// The thread of one index: zvec's calls are synchronous, so they are made here, one after the other.

/** Documents a call of insert or delete is given at most. */
const WRITE_BATCH = 1000;

/** Hits taken beyond k: codes estimate, so the true order is made of more candidates. */
function candidates(plan: ZvecPlan, k: number): number {
  return plan.index === 'ivf_rabitq' ? k + Math.min(k, 200) + 10 : k + 10;
}

/** Cosines this near are a tie: zvec adds up in single precision, we in double. */
const TIE = 1e-6;
/** Candidates beyond k that a tie at the end of the hits is followed through. */
const MAX_TIED = 4000;

let collection: ZVecCollection | undefined;
let dimension = 0;
let plan: ZvecPlan = { index: 'flat' };

function opened(): ZVecCollection {
  if (!collection) throw new Error('the index is closed');
  return collection;
}

function indexParams(): NonNullable<ZVecVectorSchema['indexParams']> {
  const metricType = ZVecMetricType.IP;
  switch (plan.index) {
    case 'flat':
      return { indexType: ZVecIndexType.FLAT, metricType };
    case 'ivf_rabitq':
      return { indexType: ZVecIndexType.IVF_RABITQ, metricType, nList: plan.nList };
    case 'hnsw':
      return { indexType: ZVecIndexType.HNSW, metricType, m: plan.m, efConstruction: plan.efConstruction };
  }
}

/** The part of the index that is looked at: cells, or candidates of the graph; `whole` where there is no more. */
function queryParams(effort: number): { params: Pick<ZVecQuery, 'params'>; whole: boolean } {
  switch (plan.index) {
    case 'flat':
      return { params: {}, whole: true };
    case 'ivf_rabitq': {
      const nprobe = Math.min(plan.nProbe * effort, plan.nList);
      return {
        params: { params: { indexType: ZVecIndexType.IVF_RABITQ, nprobe } },
        whole: nprobe === plan.nList,
      };
    }
    case 'hnsw':
      return {
        params: { params: { indexType: ZVecIndexType.HNSW, ef: plan.ef * effort } },
        whole: effort > MAX_HNSW_EFFORT,
      };
  }
}

/** A list of 200 × 64 candidates is near what comparing everything costs. */
const MAX_HNSW_EFFORT = 64;

function schema(): ZVecCollectionSchema {
  const inverted = { indexParams: { indexType: ZVecIndexType.INVERT } };
  return new ZVecCollectionSchema({
    name: 'vectors',
    vectors: { name: 'vector', dataType: ZVecDataType.VECTOR_FP32, dimension, indexParams: indexParams() },
    fields: [
      { name: 'nsfw', dataType: ZVecDataType.STRING, ...inverted },
      { name: 'width', dataType: ZVecDataType.INT32, ...inverted },
      { name: 'height', dataType: ZVecDataType.INT32, ...inverted },
      { name: 'similarity', dataType: ZVecDataType.DOUBLE, ...inverted },
      { name: 'language', dataType: ZVecDataType.STRING, ...inverted },
      { name: 'license', dataType: ZVecDataType.STRING, ...inverted },
    ],
  });
}

function refuse(statuses: readonly ZVecStatus[]): void {
  const failed = statuses.find((status) => !status.ok);
  if (failed) throw new Error(`zvec: ${failed.message} (${failed.code})`);
}

function add({ ids, vectors, fields }: KnnBatch): undefined {
  const rows = normalizeRows(vectors, dimension);
  if (rows.length !== ids.length * dimension || fields.length !== ids.length)
    throw new RangeError('ids, vectors and fields differ in number');
  const docs = fields.map((of, i) => ({
    id: String(ids[i]),
    vectors: { vector: rows.subarray(i * dimension, (i + 1) * dimension) },
    fields: {
      ...of,
      nsfw: encodeText(of.nsfw),
      language: encodeText(of.language),
      license: encodeText(of.license),
    },
  }));
  for (let i = 0; i < docs.length; i += WRITE_BATCH)
    refuse(opened().upsertSync(docs.slice(i, i + WRITE_BATCH)));
  return undefined;
}

function remove(ids: readonly number[]): number {
  let removed = 0;
  for (let i = 0; i < ids.length; i += WRITE_BATCH) {
    const statuses = opened().deleteSync(ids.slice(i, i + WRITE_BATCH).map(String));
    refuse(statuses.filter((status) => status.code !== 'ZVEC_NOT_FOUND'));
    removed += statuses.filter((status) => status.ok).length;
  }
  return removed;
}

/**
 * Candidates. A filter that goes along with what is in the pictures (language, NSFW) can leave the nearest cells
 * empty; so while fewer come than were asked for, four times as much of the index is looked at.
 */
function nearest(query: Float32Array, topk: number, filter: string | undefined): Required<KnnHit>[] {
  for (let effort = 1; ; effort *= 4) {
    const { params, whole } = queryParams(effort);
    const docs = opened().querySync({
      fieldName: 'vector',
      vector: query,
      topk,
      outputFields: [],
      includeVector: true,
      ...(filter !== undefined && { filter }),
      ...params,
    });
    if (!whole && docs.length < Math.min(topk, opened().stats.docCount)) continue;
    const hits = docs.map((doc) => {
      const vector = vectorOf(doc);
      return { id: Number(doc.id), cosine: dot(query, 0, vector, 0, dimension), vector };
    });
    return hits.sort(compareHits);
  }
}

function search(vector: Float32Array, { k, filter, vectors }: KnnSearchOptions): FlatHits {
  const query = normalizeQuery(vector, dimension);
  const where = filter && zvecFilter(filter);
  let hits: Required<KnnHit>[] = [];
  if (where !== null && k >= 1)
    for (let topk = candidates(plan, k); ; topk *= 2) {
      hits = nearest(query, topk, where);
      // Which of many equal ones come first is ours to say (by id), so all of them have to be here: one picture on
      // a thousand pages is nothing rare.
      const tied = (hits[k - 1]?.cosine ?? Infinity) - (hits.at(-1)?.cosine ?? 0) < TIE;
      if (!tied || hits.length < topk || topk > k + MAX_TIED) break;
    }
  hits.length = Math.min(hits.length, k);
  return {
    ids: hits.map((hit) => hit.id),
    cosines: Float64Array.from(hits, (hit) => hit.cosine),
    vectors: vectors ? concat(hits.map((hit) => hit.vector)) : new Float32Array(),
  };
}

function fetchVectors(ids: readonly number[]): { ids: number[]; vectors: Float32Array } {
  const docs = opened().fetchSync({ ids: ids.map(String), outputFields: [], includeVector: true });
  const found = [...new Set(ids)].filter((id) => docs[id] !== undefined);
  return { ids: found, vectors: concat(found.flatMap((id) => (docs[id] ? [vectorOf(docs[id])] : []))) };
}

function vectorOf(doc: ZVecDoc): Float32Array {
  const { vector } = doc.vectors;
  if (!Array.isArray(vector) || vector.length !== dimension) throw new Error(`zvec: no vector for ${doc.id}`);
  return Float32Array.from(vector);
}

function concat(rows: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(rows.length * dimension);
  rows.forEach((row, i) => {
    out.set(row, i * dimension);
  });
  return out;
}

function answer(request: ZvecRequest): unknown {
  switch (request.call) {
    case 'create':
      ({ dimension, plan } = request.args);
      collection = ZVecCreateAndOpen(request.args.path, schema());
      return undefined;
    case 'open':
      ({ dimension, plan } = request.args);
      collection = ZVecOpen(request.args.path, { readOnly: request.args.readOnly });
      return undefined;
    case 'add':
      return add(request.args);
    case 'train':
      opened().optimizeSync({ concurrency: request.args.threads });
      return undefined;
    case 'remove':
      return remove(request.args.ids);
    case 'search':
      return search(request.args.vector, request.args.options);
    case 'fetch':
      return fetchVectors(request.args.ids);
    case 'rows':
      return opened().stats.docCount;
    case 'close':
      collection?.closeSync();
      collection = undefined;
      return undefined;
  }
}

parentPort?.on('message', (request: ZvecRequest) => {
  let reply: ZvecReply;
  try {
    reply = { id: request.id, ok: true, value: answer(request) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id: request.id, ok: false, kind: error instanceof RangeError ? 'range' : 'other', message };
  }
  parentPort?.postMessage(reply);
});
