import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GleanerError } from '../schema/index.ts';

/** Models that come with the package, in models/, and what they are. */
const EMBEDDED: ReadonlyMap<string, string> = new Map([
  ['gleaner-mini', 'a small contrastive encoder that knows emoji, not CLIP'],
]);

/** The name of a model as people should read it: an embedded one is never named without what it is. */
export function describeModel(name: string): string {
  const what = EMBEDDED.get(name);
  return what === undefined ? name : `${name}, ${what}`;
}

/**
 * The folder of a model: the name of an embedded one, or the path of a folder.
 *
 * @throws GleanerError MODEL_INVALID where there is neither.
 */
export function resolveModel(nameOrDir: string): string {
  // src/clip and dist/clip are both two folders below the package.
  const dir = EMBEDDED.has(nameOrDir)
    ? fileURLToPath(new URL(`../../models/${nameOrDir}`, import.meta.url))
    : resolve(nameOrDir);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new GleanerError('MODEL_INVALID', {
      path: nameOrDir,
      problem: `no such model folder. Give a folder, or an embedded model (${[...EMBEDDED.keys()].join(', ')})`,
    });
  return dir;
}
