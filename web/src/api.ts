import type { PageRelease, PageRow, SearchRequest, SearchResponse } from '../../src/service/page-types.ts';
import { ApiError, ask, askWith } from './ask.ts';
import { findPicture } from './picture.ts';
import type { Place } from './search.ts';

export type { PageRelease, PageRow };

/** Rows asked for at once. */
const PAGE_ROWS = 60;

export function fetchRelease(signal: AbortSignal): Promise<PageRelease> {
  return ask('/api/v1/release', { signal });
}

export function fetchRow(id: number, signal: AbortSignal): Promise<PageRow> {
  return ask(`/api/v1/rows/${id}`, { signal });
}

export async function fetchResults(
  { search, nsfw }: Place,
  offset: number,
  signal: AbortSignal,
): Promise<SearchResponse> {
  const post = (request: SearchRequest) =>
    askWith<SearchResponse>('/api/v1/search', { ...request, nsfw, offset, limit: PAGE_ROWS }, signal);
  switch (search.kind) {
    case 'sample':
      return post({ seed: search.seed });
    case 'words':
      return post({ query: [{ text: search.words }] });
    case 'like':
      return post({ query: [{ id: search.id }] });
    case 'picture': {
      const picture = findPicture(search.key);
      if (!picture)
        throw new ApiError('The picture of this search stayed where it was dropped. Drop it here again.');
      return post({ query: [{ image: picture.base64 }] });
    }
  }
}

export function imageAddress(id: number): string {
  return `/images/${id}.jpg`;
}
