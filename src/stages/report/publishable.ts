import type { Recipe } from '../../config/index.ts';
import { UNPUBLISHED } from './publication.ts';

/**
 * The recipe without what says more of a machine, or of who asked, than of the pairs: folders, contact, proxy, DNS
 * servers. Of files their names stay. What those say who publish it stands in the card alone.
 */
export function publishable(recipe: Recipe): Recipe {
  const { extract, fetch, safety } = recipe;
  return {
    ...recipe,
    card: UNPUBLISHED,
    extract: {
      ...extract,
      hostBlocklists: extract.hostBlocklists.map(baseName),
      urlBlocklists: extract.urlBlocklists.map(baseName),
    },
    fetch: {
      ...fetch,
      contact: null,
      proxy: null,
      dns: { ...fetch.dns, servers: [] },
      optOutLists: fetch.optOutLists.map(baseName),
    },
    safety: {
      ...safety,
      categories: baseName(safety.categories),
      knownContent: safety.knownContent.map((list) => ({ ...list, path: baseName(list.path) })),
      classifiers: safety.classifiers.map((one) => ({ ...one, path: baseName(one.path) })),
    },
  };
}

function baseName(path: string): string {
  return path.replace(/[/\\]+$/, '').replace(/^.*[/\\]/, '');
}
