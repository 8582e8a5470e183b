import { hostBlocklist, type OpenFile, urlBlocklist } from './blocklist.ts';
import type { PairFilter } from './filter.ts';
import { textLength } from './text-length.ts';
import { textWords } from './text-words.ts';
import { urlExtension } from './url-extension.ts';
import { urlLength } from './url-length.ts';

export type { PairFilter } from './filter.ts';

export interface FilterOptions {
  /** Texts with fewer Unicode code points are dropped. */
  readonly minTextChars: number;
  /** Texts with more Unicode code points are dropped; null: none. */
  readonly maxTextChars: number | null;
  /** Texts with fewer words, parted by white space, are dropped. */
  readonly minTextWords: number;
  /** URLs with more characters are dropped; null: none. @default null */
  readonly maxUrlChars?: number | null;
  /** URLs whose path ends in one of these are dropped, as 'svg'. @default [] */
  readonly refusedExtensions?: readonly string[];
  /** Files with hosts, one a line, plain or gzip; their subdomains are meant too. @default [] */
  readonly hostBlocklists?: readonly string[];
  /** Files with image URLs, one a line, plain or gzip. @default [] */
  readonly urlBlocklists?: readonly string[];
}

/**
 * The filters that look at URL and text alone, in their order; a pair has the reason of the first that drops it.
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE at a blocklist
 */
export async function pairFilters(options: FilterOptions, open: OpenFile): Promise<readonly PairFilter[]> {
  const { maxUrlChars = null, refusedExtensions = [], hostBlocklists = [], urlBlocklists = [] } = options;
  const filters: PairFilter[] = [textLength(options.minTextChars, options.maxTextChars)];
  if (options.minTextWords > 1) filters.push(textWords(options.minTextWords));
  if (maxUrlChars !== null) filters.push(urlLength(maxUrlChars));
  if (refusedExtensions.length > 0) filters.push(urlExtension(refusedExtensions));
  if (hostBlocklists.length > 0) filters.push(await hostBlocklist(hostBlocklists, open));
  if (urlBlocklists.length > 0) filters.push(await urlBlocklist(urlBlocklists, open));
  return filters;
}
