import type { KnownContent } from '../safety/index.ts';
import { type NamesKnown, namesKnown } from '../stages/unnamed-trail.ts';
import type { FileInfo, Storage } from '../storage/index.ts';
import type { RunSpec } from './run-file.ts';
import { honouredTombstones } from './tombstones.ts';

/**
 * What may not be named in the trail of a release: known content, and what was taken down.
 *
 * @param dropped trails of all stages
 * @param known lists of URLs and domains of known content
 * @returns undefined where there is nothing of either kind
 */
export async function unnamedInTrail(
  storage: Storage,
  spec: RunSpec,
  dropped: readonly FileInfo[],
  known: Pick<KnownContent, 'refuseUrl'> | undefined,
): Promise<NamesKnown | undefined> {
  const tests: NamesKnown[] = [];
  if (spec.recipe.safety.knownContent.length > 0) tests.push(await namesKnown(storage, dropped, known));
  const removed = await honouredTombstones(storage, spec);
  if (!removed.empty) tests.push((row) => row.reason === 'removed' || removed.names(row));
  return tests.length === 0 ? undefined : (row) => tests.some((names) => names(row));
}
