import { glob, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { GleanerError } from '../schema/index.ts';

/**
 * The files that a pattern as a shell knows them stands for, sorted. A path stands for itself where there is such a file,
 * whatever characters it has.
 * @throws GleanerError FILE_NOT_FOUND where it matches nothing
 */
export async function expandPattern(path: string): Promise<string[]> {
  if (!/[*?[{]/.test(path) || (await stat(path).catch(() => undefined))) return [path];
  const found: string[] = [];
  for await (const entry of glob(path, { withFileTypes: true }))
    if (!entry.isDirectory()) found.push(resolve(entry.parentPath, entry.name));
  if (found.length === 0)
    throw new GleanerError('FILE_NOT_FOUND', { path, hint: 'The pattern matches nothing.' });
  return found.sort();
}
