import { dot, type KnnFilter } from '../../knn/index.ts';
import { badRequest } from '../errors.ts';
import { type OpenedIndex, shownRows } from '../opened-index.ts';
import type { PageRow, Why } from '../page-types.ts';
import type { ReleasedRow } from '../row-store.ts';
import { SAFE_CLASS } from '../search.ts';
import {
  type List,
  type Listed,
  mergedRows,
  nearEnough,
  nearestRows,
  rowsWithWords,
  sampledRows,
} from './lists.ts';
import { type QueryTools, type QueryVector, queryVector } from './query-vector.ts';
import { type RankedPage, rankedPage } from './ranked-page.ts';
import { MAX_DEPTH, MAX_DISTINCT_DEPTH, type ParsedFilter, type ParsedSearch } from './schemas.ts';

/** A piece of a list of results, without what was taken down meanwhile. */
export interface FoundRows extends Omit<RankedPage, 'rows'> {
  readonly rows: readonly FoundRow[];
}
export interface FoundRow {
  readonly id: number;
  readonly score: number | null;
  readonly row: ReleasedRow;
  readonly why: Why;
}

/**
 * The rows that a search asks for.
 *
 * @throws RequestError 400 where it asks for what cannot be, 404 where a row of the query is gone
 */
export async function findRows(search: ParsedSearch, tools: QueryTools): Promise<FoundRows> {
  const { index, metrics } = tools;
  const { modality, deduplicate, offset, limit, nsfw } = search;
  const depth = deduplicate ? MAX_DISTINCT_DEPTH : MAX_DEPTH;
  if (offset + limit > depth) throw badRequest(`offset: the list ends at ${depth}`);
  const query = search.query.length > 0 ? await queryVector(search.query, modality, tools) : undefined;
  const filter = knnFilter(search.filter);
  const timed = metrics.knnSeconds.startTimer();
  const page = await rankedPage({
    list: listOf(search, query?.vector, index),
    among: index.fields.matching(filter),
    shown: index.fields.matching(nsfw ? filter : safely(filter)),
    leftOut: new Set(search.query.flatMap((part) => ('id' in part ? [part.id] : []))),
    ...(deduplicate && { distinctBy: index.image }),
    ...{ offset, limit },
  });
  timed();
  const ids = page.rows.map(({ id }) => id);
  const readDone = metrics.metadataSeconds.startTimer();
  const rows = shownRows(index, ids);
  readDone();
  const whys = await whysOf(page.rows, search, query, index);
  return {
    ...page,
    rows: page.rows.flatMap(({ id }, i) => {
      const [row, why] = [rows[i], whys[i]];
      return row && why ? [{ id, score: why.cosine, row, why: { ...why, rank: offset + i + 1 } }] : [];
    }),
  };
}

function listOf(
  { keywords, modality, minScore, seed }: ParsedSearch,
  vector: Float32Array | undefined,
  index: OpenedIndex,
): List {
  const hasWords = keywords.trim() !== '';
  if (!vector && minScore !== undefined) throw badRequest('minScore: is a cosine to the query, give one');
  if (!vector) return hasWords ? rowsWithWords(index.captions, keywords) : sampledRows(seed);
  const near = nearestRows(index[modality], vector, { rows: index.fields.rows, minScore });
  if (!hasWords) return near;
  const withWords = rowsWithWords(index.captions, keywords);
  return mergedRows(
    near,
    minScore === undefined ? withWords : nearEnough(withWords, index[modality], vector, minScore),
  );
}

/** What is known of why each row is there, but for its place. */
async function whysOf(
  rows: readonly Listed[],
  { keywords, modality }: ParsedSearch,
  query: QueryVector | undefined,
  index: OpenedIndex,
): Promise<readonly Omit<Why, 'rank'>[]> {
  const withWords = rows.filter((row) => row.keywords).map(({ id }) => id);
  const matched =
    withWords.length > 0 ? await index.captions.matched(keywords, withWords) : new Map<number, string[]>();
  // The vector of a row tells its cosine to several parts, and to the query where its words alone brought it here.
  const unknown = rows.filter((row) => query && (query.parts.length > 1 || row.cosine === null));
  const vectors =
    unknown.length > 0
      ? await index[modality].fetch(unknown.map(({ id }) => id))
      : new Map<number, Float32Array>();
  return rows.map(({ id, cosine: known, keywords: words, merged }) => {
    const vector = vectors.get(id);
    const cosine = known ?? (query && vector ? dot(query.vector, 0, vector, 0, vector.length) : null);
    const parts = query?.parts.map(({ vector: part, weight }) => {
      // Of one part the query is the part itself, or its opposite.
      const alone = weight < 0 ? -(cosine ?? 0) : (cosine ?? 0);
      return { cosine: vector ? dot(part, 0, vector, 0, vector.length) : alone, weight };
    });
    return {
      cosine,
      ...(parts && { parts }),
      ...(words && { keywords: { ...words, matched: matched.get(id) ?? [] } }),
      ...(merged !== undefined && { merged }),
    };
  });
}

/** A filter as the columns have their values. */
export function knnFilter(filter: ParsedFilter): KnnFilter {
  return { ...filter, host: filter.host?.map((host) => host.toLowerCase()) };
}

/** The same filter, of rows alone that are shown unasked. */
export function safely(filter: KnnFilter): KnnFilter {
  return { ...filter, nsfw: (filter.nsfw ?? [SAFE_CLASS]).filter((name) => name === SAFE_CLASS) };
}

/** A row as /api/v1 gives it. */
export function pageRow({ id, score, row, why }: FoundRow): PageRow {
  return {
    ...{ id, score, url: row.URL, pageUrl: row.page_url, text: row.TEXT },
    ...{ width: row.WIDTH, height: row.HEIGHT, license: row.LICENSE, language: row.language },
    ...{ nsfw: row.NSFW, similarity: row.similarity, format: row.format },
    ...{ storedWidth: row.stored_width, storedHeight: row.stored_height, why },
  };
}
