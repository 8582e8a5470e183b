import { dropped } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';

/** Drops URLs with more characters. They are ASCII: characters are bytes. */
export function urlLength(max: number): PairFilter {
  return ({ url }) => (url.length > max ? dropped('url_long', `${url.length} characters`) : undefined);
}
