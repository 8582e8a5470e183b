import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Recipe } from '../../../config/index.ts';
import type { RunSpec } from '../../../pipeline/index.ts';
import type { Outside } from './outside.ts';
import type { Loan } from './protocol.ts';
import { download, isThere, type NamedFile } from './transfer.ts';

/** Tells a network of the same name from another. */
const KEY_DIGITS = 16;

/**
 * Brings what all tasks of a run need to this machine: the model and the opt-out lists, each once, by what it is.
 *
 * @param cache folder of this machine
 * @param allowHosts that this machine's owner named: those of the run count for nothing here
 * @returns the run, as far as a harvest looks at it
 */
export async function bringKit(
  { model, lists, recipe, categories }: Loan,
  cache: string,
  allowHosts: readonly string[],
  outside: Outside,
  signal: AbortSignal,
): Promise<RunSpec> {
  const bring = async (file: NamedFile, path: string) => {
    if (!(await isThere(path, file))) await download(outside, file, path, signal);
    return path;
  };
  const files = Object.fromEntries(model.files.map(({ path, sha256 }) => [path, sha256]));
  const key = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, KEY_DIGITS);
  const modelDir = join(cache, 'models', key, model.name);
  for (const file of model.files) await bring(file, join(modelDir, file.path));
  const optOutLists: string[] = [];
  for (const file of lists) optOutLists.push(await bring(file, join(cache, 'lists', file.sha256)));
  return {
    recipe: localRecipe(recipe, optOutLists),
    wats: [],
    images: { kind: 'web', allowHosts },
    model: { name: model.name, dimension: model.dimension, files },
    modelDir,
    categories,
    provider: 'cpu',
    seen: [],
    blocklists: {},
  };
}

/** Nothing of it names a file of this machine but what was brought here. */
function localRecipe(recipe: Recipe, optOutLists: string[]): Recipe {
  const { extract, fetch } = recipe;
  return {
    ...recipe,
    extract: { ...extract, hostBlocklists: [], urlBlocklists: [] },
    fetch: { ...fetch, optOutLists },
  };
}
