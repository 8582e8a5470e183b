import type { TextSearcher } from '../../fulltext/index.ts';
import { dot, type KnnIndex, type RowSet } from '../../knn/index.ts';

/** A row in a list, and why it is where it is. */
export interface Listed {
  readonly id: number;
  /** To the query; null where there is none, or where it is not known yet. */
  readonly cosine: number | null;
  /** Place and BM25 among the captions with one of the words. */
  readonly keywords?: { readonly rank: number; readonly score: number };
  /** Sum of reciprocal ranks. */
  readonly merged?: number;
}

/** The beginning of a list. */
export interface Listing {
  readonly rows: readonly Listed[];
  /** Whether nothing follows. */
  readonly whole: boolean;
}

/** Gives the first `k` of a list, best first, among some rows. */
export type List = (k: number, among: RowSet) => Promise<Listing>;

/** Rows of each of two lists that are merged. */
const MERGED_ROWS = 1000;
/** Cormack, Clarke and Büttcher, Reciprocal Rank Fusion (SIGIR 2009). */
const RANK_OFFSET = 60;

/**
 * The rows nearest to a vector, as far as they have at least some cosine.
 * @param options.rows how many there are: where a set has all of them, nothing is asked of each row
 */
export function nearestRows(
  index: KnnIndex,
  vector: Float32Array,
  options: { readonly rows: number; readonly minScore?: number | undefined },
): List {
  const { rows: all, minScore = Number.NEGATIVE_INFINITY } = options;
  return async (k, among) => {
    const most = among.count;
    const found = await index.search(vector, { k, ...(most < all && { among }) });
    // What was taken down while the service runs may still be in the index.
    const hits = found.filter(({ id }) => among.has(id));
    const rows = hits.filter(({ cosine }) => cosine >= minScore);
    // An index may give fewer than there are: it looks further for more.
    return { rows, whole: hits.length >= most || rows.length < hits.length };
  };
}

/** The rows whose captions have one of the words, best by BM25. */
export function rowsWithWords(captions: TextSearcher, words: string): List {
  return async (k, among) => {
    const hits = await captions.search(words, { k, among });
    const rows = hits.map(({ id, score }, i) => ({ id, cosine: null, keywords: { rank: i + 1, score } }));
    return { rows, whole: hits.length < k };
  };
}

/** Both lists by the sum of reciprocal ranks: the first 1,000 of each, whatever is asked for. */
export function mergedRows(near: List, withWords: List): List {
  return async (k, among) => {
    const lists = await Promise.all([near(MERGED_ROWS, among), withWords(MERGED_ROWS, among)]);
    const rows = new Map<number, Listed & { readonly merged: number }>();
    for (const { rows: list } of lists)
      for (const [i, row] of list.entries()) {
        const before = rows.get(row.id);
        const merged = (before?.merged ?? 0) + 1 / (RANK_OFFSET + i + 1);
        rows.set(row.id, { ...row, ...before, ...(row.keywords && { keywords: row.keywords }), merged });
      }
    const sorted = [...rows.values()].sort((a, b) => b.merged - a.merged || a.id - b.id);
    return { rows: sorted.slice(0, k), whole: sorted.length <= k };
  };
}

/** Rows from a place that the seed names, on and round: releases are shuffled, so neighbours are strangers. */
export function sampledRows(seed: number): List {
  return async (k, among) => {
    // Knuth's multiplicative hash (TAOCP 6.4): seeds that follow one another begin far apart.
    const start = Math.floor((((seed * 2654435761) % 2 ** 32) / 2 ** 32) * among.places);
    const rows: Listed[] = [];
    for (const id of among.from(start)) {
      if (rows.length === k) return { rows, whole: false };
      rows.push({ id, cosine: null });
    }
    return { rows, whole: true };
  };
}

/** Those rows of a list that have at least some cosine to a vector. */
export function nearEnough(list: List, index: KnnIndex, vector: Float32Array, minScore: number): List {
  return async (k, among) => {
    const { rows, whole } = await list(k, among);
    const vectors = await index.fetch(rows.map(({ id }) => id));
    const near = rows.flatMap((row) => {
      const stored = vectors.get(row.id);
      const cosine = stored ? dot(vector, 0, stored, 0, vector.length) : Number.NaN;
      return cosine >= minScore ? [{ ...row, cosine }] : [];
    });
    return { rows: near, whole };
  };
}
