import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { GleanerError } from '../schema/index.ts';
import { type Seen, seenByBloom, seenByKeys } from '../stages/seen.ts';
import { fileStorage, openFile } from '../storage/index.ts';

/**
 * What an earlier run had, as a user names it: its folder, or a Bloom filter (`.bloom`).
 * @throws GleanerError FILE_NOT_FOUND, RUN_NOT_FOUND, DAMAGED
 */
export async function openSeen(path: string): Promise<Seen> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new GleanerError('FILE_NOT_FOUND', {
      path,
      hint: 'Name the folder of an earlier run, or a .bloom file.',
    });
  const label = basename(resolve(path));
  return found.isDirectory()
    ? seenByKeys(fileStorage(path), label)
    : seenByBloom(() => openFile(path), path, label);
}
