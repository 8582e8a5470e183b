import { GleanerError } from '../schema/index.ts';
import type { Recipe } from './recipe.ts';

/** Stands in a kept recipe where a proxy's user and password stood. */
const HIDDEN = '***';
const VARIABLE = 'GLEANER_PROXY';

/** A recipe as it is written down: a proxy's user and password are left out. */
export function withoutSecrets(recipe: Recipe): Recipe {
  const { proxy } = recipe.fetch;
  if (proxy === null || proxy === 'environment') return recipe;
  const url = URL.parse(proxy);
  if (url && url.username === '' && url.password === '') return recipe;
  if (url) [url.username, url.password] = [HIDDEN, ''];
  return { ...recipe, fetch: { ...recipe.fetch, proxy: url?.href ?? HIDDEN } };
}

/**
 * A recipe that was written down, to fetch by: a proxy that had a password is taken from the environment.
 * @throws GleanerError USAGE where it is not there
 */
export function withSecrets(
  recipe: Recipe,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Recipe {
  const { proxy } = recipe.fetch;
  if (proxy === null || (proxy !== HIDDEN && URL.parse(proxy)?.username !== HIDDEN)) return recipe;
  const given = env[VARIABLE];
  if (!given)
    throw new GleanerError('USAGE', {
      problem: `the proxy that this was begun with (fetch.proxy) had a password, which is not kept: set ${VARIABLE} to the proxy's URL.`,
    });
  return { ...recipe, fetch: { ...recipe.fetch, proxy: given } };
}
