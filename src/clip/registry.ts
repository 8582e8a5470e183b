import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GleanerError } from '../schema/index.ts';

/** Models that come with the package, in models/. */
const EMBEDDED = ['gleaner-mini'];

/**
 * The folder of a model: the name of an embedded one, or the path of a folder.
 *
 * @throws GleanerError MODEL_INVALID where there is neither.
 */
export function resolveModel(nameOrDir: string): string {
  // src/clip and dist/clip are both two folders below the package.
  const dir = EMBEDDED.includes(nameOrDir)
    ? fileURLToPath(new URL(`../../models/${nameOrDir}`, import.meta.url))
    : resolve(nameOrDir);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new GleanerError('MODEL_INVALID', {
      path: nameOrDir,
      problem: `no such model folder. Give a folder, or an embedded model (${EMBEDDED.join(', ')})`,
    });
  return dir;
}
