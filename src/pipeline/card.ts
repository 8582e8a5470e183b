import { GleanerError } from '../schema/index.ts';
import { type Publication, readStatistics, writeCard } from '../stages/report/index.ts';
import { openStorage } from '../storage/index.ts';
import { lockRoot } from './lock.ts';
import { readManifests, replaceFiles } from './manifest.ts';
import { keepCard, readRunFile } from './run-file.ts';

/**
 * Writes README.md and croissant.json of a finished run anew, with what those say who publish it. That is kept in run.json, and
 * nothing else changes. Stopped midway, `verifyRun` names the file that its manifest does not fit; the same call mends it.
 *
 * @param changes what is said anew; the rest stays as it was said last
 * @returns what the card now says
 * @throws GleanerError RUN_NOT_FOUND without a release, RUN_LOCKED, DAMAGED
 */
export async function remakeCard(root: string, changes: Partial<Publication> = {}): Promise<Publication> {
  const storage = openStorage(root);
  // Before the lock, which would leave a folder where there was none.
  await readStatistics(storage);
  const lock = await lockRoot(storage);
  try {
    const stats = await readStatistics(storage);
    const run = await readRunFile(storage);
    const [report] = await readManifests(storage, 'report');
    if (!run || !report)
      throw new GleanerError('RUN_NOT_FOUND', {
        path: root,
        what: 'run',
        hint: "Give the --out of 'gleaner run', not its release alone.",
      });
    const publication: Publication = { ...run.recipe.card, ...changes };
    const released = [
      ...(await readManifests(storage, 'release')),
      ...(await readManifests(storage, 'trail')),
    ];
    const files = released.flatMap((manifest) => manifest.files);
    await keepCard(storage, run, publication);
    await replaceFiles(storage, report, await writeCard(storage, stats, files, publication));
    return publication;
  } finally {
    await lock.release();
  }
}
