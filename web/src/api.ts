import type {
  CountsResponse,
  PageFilter,
  PageRelease,
  PageRow,
  PageRowDetails,
  QueryPart,
  ReportRequest,
  ReportResponse,
  SearchRequest,
  SearchResponse,
} from '../../src/service/page-types.ts';
import { ApiError, ask, askForFile, askWith } from './ask.ts';
import { conditionsOf } from './conditions.ts';
import { findPicture } from './picture.ts';
import type { Part, Place } from './search.ts';

/** Rows asked for at once. */
const PAGE_ROWS = 60;
/** Rows that a list has, and one without duplicates: as the service has it. */
const LONGEST_LIST = 10_000;
const LONGEST_DISTINCT = 2_000;

export function fetchRelease(signal: AbortSignal): Promise<PageRelease> {
  return ask('/api/v1/release', { signal });
}

export function fetchRow(id: number, signal: AbortSignal): Promise<PageRowDetails> {
  return ask(`/api/v1/rows/${id}`, { signal });
}

export async function fetchResults(
  place: Place,
  offset: number,
  signal: AbortSignal,
): Promise<SearchResponse> {
  return askWith('/api/v1/search', { ...requestOf(place), offset, limit: PAGE_ROWS }, signal);
}

/** Counts over the whole release of what passes `filter`. */
export function fetchCounts(
  filter: PageFilter | undefined,
  nsfw: boolean,
  signal: AbortSignal,
): Promise<CountsResponse> {
  return askWith('/api/v1/counts', { ...(filter && { filter }), nsfw }, signal);
}

/** The rows of a search as a file, without the pictures. */
export function fetchList(place: Place, format: 'json' | 'parquet', limit: number): Promise<Blob> {
  return askForFile('/api/v1/export', { ...requestOf(place), limit, format });
}

/** How many rows a list may have. */
export function longestList({ duplicates }: Place): number {
  return duplicates ? LONGEST_LIST : LONGEST_DISTINCT;
}

export function sendReport(report: ReportRequest): Promise<ReportResponse> {
  return askWith('/api/v1/reports', report);
}

export function imageAddress(id: number): string {
  return `/images/${id}.jpg`;
}

/** @throws ApiError where a picture of the search is not in this tab */
function requestOf({ search, filters, nsfw, duplicates }: Place): SearchRequest {
  const query: QueryPart[] = [
    ...(search.words === '' ? [] : [{ text: search.words }]),
    ...search.parts.map(queryPart),
  ];
  const filter = conditionsOf(filters);
  return {
    ...(query.length > 0 && { query }),
    ...(search.keywords !== '' && { keywords: search.keywords }),
    ...(search.byText && { modality: 'text' }),
    ...(filter && { filter }),
    ...(query.length === 0 && search.keywords === '' && { seed: search.seed }),
    nsfw,
    deduplicate: !duplicates,
  };
}

function queryPart(part: Part): QueryPart {
  const weight = part.less ? -1 : 1;
  switch (part.kind) {
    case 'words':
      return { text: part.words, weight };
    case 'row':
      return { id: part.id, weight };
    case 'web':
      return { imageUrl: part.url, weight };
    case 'picture': {
      const picture = findPicture(part.key);
      if (picture) return { image: picture.base64, weight };
      throw new ApiError('The picture of this search stayed where it was dropped. Drop it here again.', {
        trouble: 'refused',
      });
    }
  }
}

export type { PageRelease, PageRow, PageRowDetails };
