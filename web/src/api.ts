import type { PageRelease, PageResults, PageRow } from '../../src/service/page-types.ts';
import { ApiError, ask, askWith } from './ask.ts';
import { findPicture } from './picture.ts';
import type { Place } from './search.ts';

export type { PageRelease, PageResults, PageRow };

/** Rows asked for at once. */
const PAGE_ROWS = 60;

export function fetchRelease(signal: AbortSignal): Promise<PageRelease> {
  return ask('/api/release', { signal });
}

export function fetchRow(id: number, signal: AbortSignal): Promise<PageRow> {
  return ask(`/api/rows/${id}`, { signal });
}

export async function fetchResults(
  { search, nsfw }: Place,
  offset: number,
  signal: AbortSignal,
): Promise<PageResults> {
  const post = (query: object) =>
    askWith<PageResults>('/api/search', { ...query, nsfw, offset, limit: PAGE_ROWS }, signal);
  switch (search.kind) {
    case 'sample':
      return ask(`/api/sample?seed=${search.seed}&limit=${PAGE_ROWS}&nsfw=${nsfw ? 1 : 0}`, { signal });
    case 'words':
      return post({ text: search.words });
    case 'like':
      return post({ like: search.id });
    case 'picture': {
      const picture = findPicture(search.key);
      if (!picture)
        throw new ApiError('The picture of this search stayed where it was dropped. Drop it here again.');
      return post({ image: picture.base64 });
    }
  }
}

export function imageAddress(id: number): string {
  return `/images/${id}.jpg`;
}
