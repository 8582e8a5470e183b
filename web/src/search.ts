/** What is looked for. Each has an address, so that it can be shared and gone back to. */
export type Search =
  | { readonly kind: 'sample'; readonly seed: number }
  | { readonly kind: 'words'; readonly words: string }
  | { readonly kind: 'like'; readonly id: number }
  /** `key` names a picture that this tab keeps. */
  | { readonly kind: 'picture'; readonly key: string };

/** All that an address of the page says. */
export interface Place {
  readonly search: Search;
  /** Whether what may not be safe is shown. */
  readonly nsfw: boolean;
  /** The row whose details are open. */
  readonly open: number | null;
}

export function readPlace(query: string): Place {
  const params = new URLSearchParams(query);
  return { search: readSearch(params), nsfw: params.get('nsfw') === '1', open: readNumber(params.get('id')) };
}

function readSearch(params: URLSearchParams): Search {
  const words = params.get('q')?.trim();
  if (words) return { kind: 'words', words };
  const id = readNumber(params.get('like'));
  if (id !== null) return { kind: 'like', id };
  const key = params.get('picture');
  if (key) return { kind: 'picture', key };
  return { kind: 'sample', seed: readNumber(params.get('seed')) ?? 0 };
}

function readNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The address of a place, relative to the page. */
export function placeAddress({ search, nsfw, open }: Place): string {
  const params = new URLSearchParams();
  if (search.kind === 'words') params.set('q', search.words);
  if (search.kind === 'like') params.set('like', String(search.id));
  if (search.kind === 'picture') params.set('picture', search.key);
  if (search.kind === 'sample' && search.seed !== 0) params.set('seed', String(search.seed));
  if (nsfw) params.set('nsfw', '1');
  if (open !== null) params.set('id', String(open));
  return params.size > 0 ? `/?${params}` : '/';
}
