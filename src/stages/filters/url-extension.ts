import { dropped } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';

/** Drops URLs whose path ends in one of these extensions, as 'svg', whatever its case. */
export function urlExtension(extensions: readonly string[]): PairFilter {
  const refused = new Set(extensions.map((extension) => extension.toLowerCase().replace(/^\./, '')));
  return ({ url }) => {
    const path = url.split('?', 1)[0] ?? '';
    const extension = /\.([^./]+)$/.exec(path.slice(path.indexOf('/', 8)))?.[1]?.toLowerCase();
    return extension !== undefined && refused.has(extension)
      ? dropped('url_extension', extension.slice(0, 40))
      : undefined;
  };
}
