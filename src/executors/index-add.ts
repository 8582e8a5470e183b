import { isRemovalUnderWay, lockFolder, namedTombstones } from '../pipeline/index.ts';
import { Tombstones } from '../safety/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { AddedRelease } from '../stages/index-add.ts';
import { fileStorage } from '../storage/index.ts';
import { endRemoval } from './remove.ts';

export interface AddToIndexOptions {
  readonly signal?: AbortSignal;
  /** Rows gone over since the last call, and how many there are to go over in all. */
  readonly onProgress?: (rows: number, total: number) => void;
}

/**
 * Adds the release of a run to the search index of another, without building that again. A service that runs shows the new
 * rows within a second. Stopped at any moment, the same call ends it; given twice, nothing is there twice.
 *
 * @param dir folder of the run whose index grows
 * @param from folder of the run whose release is added; its pictures stay there
 * @throws GleanerError RUN_NOT_FOUND, RUN_LOCKED, DAMAGED; USAGE where the model is another
 */
export async function addToIndex(
  dir: string,
  from: string,
  { signal = new AbortController().signal, onProgress }: AddToIndexOptions = {},
): Promise<AddedRelease> {
  const [{ ADD_PASSES, addRelease }, { readReleaseStats }] = await Promise.all([
    import('../stages/index-add.ts'),
    import('../stages/release-stats.ts'),
  ]);
  const storage = fileStorage(dir);
  const { stats } = await readReleaseStats(fileStorage(from));
  await readReleaseStats(storage);
  if (await isRemovalUnderWay(fileStorage(from)))
    throw new GleanerError('USAGE', {
      problem: `--add ${from}: a takedown was begun there. End it with 'gleaner remove ${from}', then give this again.`,
    });
  await endRemoval(dir, { signal });
  const unlock = await lockFolder(dir);
  try {
    const tombstones = new Tombstones(await namedTombstones(dir));
    const progress = (done: number) => onProgress?.(done, stats.rows * ADD_PASSES);
    return await addRelease({ dir, from, tombstones }, { storage, signal, progress });
  } finally {
    await unlock();
  }
}
