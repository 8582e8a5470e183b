/** What a search may be made of beside the words of the field: more or less like this. */
export type Part = { readonly less: boolean } & (
  | { readonly kind: 'words'; readonly words: string }
  /** A row of the release. */
  | { readonly kind: 'row'; readonly id: number }
  /** `key` names a picture that this tab keeps. */
  | { readonly kind: 'picture'; readonly key: string }
  /** A picture that the service is asked to fetch. */
  | { readonly kind: 'web'; readonly url: string }
);

/** What is looked for; a sample of the release where it is nothing. */
export interface Search {
  /** Those in the field. */
  readonly words: string;
  readonly parts: readonly Part[];
  /** Words that texts should hold. */
  readonly keywords: string;
  /** Whether the query is held against the texts, not the pictures. */
  readonly byText: boolean;
  /** Of the sample. */
  readonly seed: number;
}

export const SHAPES = ['tall', 'square', 'wide'] as const;
export type ShapeName = (typeof SHAPES)[number];

/** Fields of which several values may be chosen. */
export const LISTED = ['language', 'license', 'host', 'nsfw'] as const;
export type ListedField = (typeof LISTED)[number];

export type Filters = { readonly [field in ListedField]: readonly string[] } & {
  /** Least pixels of the shorter side. */
  readonly side: number | null;
  readonly shape: ShapeName | null;
  /** Least cosine of a picture and its own text. */
  readonly match: number | null;
};

/** All that an address of the page says. Each has one, so that it can be shared and gone back to. */
export interface Place {
  readonly search: Search;
  readonly filters: Filters;
  /** Whether what may not be safe is shown. */
  readonly nsfw: boolean;
  /** Whether pictures are shown that look like one before them. */
  readonly duplicates: boolean;
  /** The row whose details are open. */
  readonly open: number | null;
}

export const NOTHING: Search = { words: '', parts: [], keywords: '', byText: false, seed: 0 };
export const NO_FILTERS: Filters = {
  language: [],
  license: [],
  host: [],
  nsfw: [],
  side: null,
  shape: null,
  match: null,
};

/** Names of the listed fields in an address. */
const LISTED_NAMES: Readonly<Record<ListedField, string>> = {
  language: 'lang',
  license: 'licence',
  host: 'site',
  nsfw: 'class',
};
/** Parts, and values of one field, that an address may name. */
const MAX_PARTS = 8;
const MAX_VALUES = 32;

export function isSample({ words, parts, keywords }: Search): boolean {
  return words === '' && parts.length === 0 && keywords === '';
}

export function hasFilters(filters: Filters): boolean {
  const { side, shape, match } = filters;
  return LISTED.some((field) => filters[field].length > 0) || [side, shape, match].some((x) => x !== null);
}

/** @param query what stands behind the '?' of an address; what it says beyond all sense is passed over */
export function readPlace(query: string): Place {
  const params = new URLSearchParams(query);
  const values = (field: ListedField) =>
    [...new Set(params.getAll(LISTED_NAMES[field]))].slice(0, MAX_VALUES);
  const match = Number(params.get('match') ?? Number.NaN);
  return {
    search: {
      words: params.get('q')?.trim() ?? '',
      parts: [...params].flatMap(readPart).slice(0, MAX_PARTS),
      keywords: params.get('text')?.trim() ?? '',
      byText: params.get('by') === 'text',
      seed: readNumber(params.get('seed')) ?? 0,
    },
    filters: {
      language: values('language'),
      license: values('license'),
      host: values('host'),
      nsfw: values('nsfw'),
      side: readNumber(params.get('side')) || null,
      shape: SHAPES.find((shape) => shape === params.get('shape')) ?? null,
      match: match > 0 && match <= 1 ? match : null,
    },
    nsfw: params.get('nsfw') === '1',
    duplicates: params.get('dup') === '1',
    open: readNumber(params.get('id')),
  };
}

/** A part as an address has it: `like=12`, or `like=-12` where it is less of it that is wanted. */
function readPart([name, value]: readonly [string, string]): readonly Part[] {
  const less = value.startsWith('-');
  const rest = (less ? value.slice(1) : value).trim();
  const id = readNumber(rest);
  if (rest === '') return [];
  if (name === 'and') return [{ kind: 'words', words: rest, less }];
  if (name === 'like' && id !== null) return [{ kind: 'row', id, less }];
  if (name === 'picture') return [{ kind: 'picture', key: rest, less }];
  if (name === 'url') return [{ kind: 'web', url: rest, less }];
  return [];
}

function readNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The address of a place, relative to the page. */
export function placeAddress({ search, filters, nsfw, duplicates, open }: Place): string {
  const params = new URLSearchParams();
  if (search.words !== '') params.set('q', search.words);
  for (const part of search.parts) {
    const [name, value] = writePart(part);
    params.append(name, part.less ? `-${value}` : value);
  }
  if (search.keywords !== '') params.set('text', search.keywords);
  if (search.byText) params.set('by', 'text');
  if (isSample(search) && search.seed !== 0) params.set('seed', String(search.seed));
  for (const field of LISTED) for (const value of filters[field]) params.append(LISTED_NAMES[field], value);
  if (filters.side !== null) params.set('side', String(filters.side));
  if (filters.shape !== null) params.set('shape', filters.shape);
  if (filters.match !== null) params.set('match', String(filters.match));
  if (nsfw) params.set('nsfw', '1');
  if (duplicates) params.set('dup', '1');
  if (open !== null) params.set('id', String(open));
  return params.size > 0 ? `/?${params}` : '/';
}

function writePart(part: Part): readonly [name: string, value: string] {
  switch (part.kind) {
    case 'words':
      return ['and', part.words];
    case 'row':
      return ['like', String(part.id)];
    case 'picture':
      return ['picture', part.key];
    case 'web':
      return ['url', part.url];
  }
}

/**
 * What was typed: words, and behind a minus what there should be less of. An address alone is a picture to fetch.
 * @param typed as `beach -people -"palm tree"`
 */
export function readTyped(typed: string): { readonly words: string; readonly parts: readonly Part[] } {
  const text = typed.trim();
  if (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text))
    return { words: '', parts: [{ kind: 'web', url: text, less: false }] };
  const parts: Part[] = [];
  const words = text
    .replace(/(?:^|(?<=\s))-(?:"([^"]+)"|(\p{L}\S*))/gu, (_, quoted?: string, bare?: string) => {
      const words = (quoted ?? bare ?? '').trim();
      if (words !== '') parts.push({ kind: 'words', words, less: true });
      return '';
    })
    .replace(/\s+/g, ' ')
    .trim();
  return { words, parts };
}

/** The search with a picture in place of those that it was like; words stay, and what there should be less of. */
export function withExample(search: Search, part: Part): Search {
  const kept = search.parts.filter((other) => other.kind === 'words' || (other.less && !isSame(other, part)));
  return { ...search, parts: [...kept, part] };
}

/** The search with one part more. */
export function withPart(search: Search, part: Part): Search {
  return { ...search, parts: [...search.parts.filter((other) => !isSame(other, part)), part] };
}

export function withoutPart(search: Search, index: number): Search {
  return { ...search, parts: search.parts.filter((_, i) => i !== index) };
}

function isSame(a: Part, b: Part): boolean {
  return writePart(a).join() === writePart(b).join();
}
