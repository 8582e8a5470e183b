import { readKnownContent } from '../safety/index.ts';
import { type NamesKnown, namesKnown } from '../stages/unnamed-trail.ts';
import { type FileInfo, type Storage, streamFile } from '../storage/index.ts';
import type { RunSpec } from './run-file.ts';
import { honouredTombstones } from './tombstones.ts';

/**
 * What may not be named in the trail of a release: known content, and what was taken down.
 *
 * @param dropped trails of all stages
 * @returns undefined where there is nothing of either kind
 */
export async function unnamedInTrail(
  storage: Storage,
  spec: RunSpec,
  dropped: readonly FileInfo[],
): Promise<NamesKnown | undefined> {
  const tests: NamesKnown[] = [];
  const lists = spec.recipe.safety.knownContent;
  if (lists.length > 0) {
    const ofUrls = lists.filter(({ kind }) => kind === 'url' || kind === 'domain');
    tests.push(await namesKnown(storage, dropped, await readKnownContent(ofUrls, streamFile)));
  }
  const removed = await honouredTombstones(storage, spec);
  if (!removed.empty) tests.push((row) => row.reason === 'removed' || removed.names(row));
  return tests.length === 0 ? undefined : (row) => tests.some((names) => names(row));
}
