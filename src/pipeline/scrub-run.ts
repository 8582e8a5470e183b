import type { Tombstones } from '../safety/index.ts';
import { harvestFiles, releasedFiles } from '../stages/harvested.ts';
import { scrubOf, scrubShard } from '../stages/scrub.ts';
import type { FileInfo, Storage } from '../storage/index.ts';
import { type Manifest, manifestText, readManifests } from './manifest.ts';
import { type Finished, harvestFolder, planStage } from './plan.ts';
import { Replacement } from './replacement.ts';
import type { RunSpec } from './run-file.ts';
import { STAGES, type StageName, taskFingerprint } from './task.ts';

/** Stages whose files a release is made of; those after them are run again. */
const BEFORE_RELEASE = STAGES.slice(0, STAGES.indexOf('release'));

/**
 * Takes what was taken down out of the files that a run works with, all of them at once (`Replacement`). What was made
 * of a file that changes is named anew, as made of what it is now: else `gleaner run` would fetch and score all of it
 * again. Of the release nothing is touched: tasks of it whose rows have changed are no longer done.
 *
 * @param fingerprint of the run
 */
export async function scrubRun(
  storage: Storage,
  spec: RunSpec,
  fingerprint: string,
  tombstones: Tombstones,
  signal: AbortSignal,
): Promise<void> {
  const replacement = new Replacement(storage);
  const before: Partial<Record<StageName, readonly Manifest[]>> = {};
  const after: Partial<Record<StageName, readonly Manifest[]>> = {};
  for (const stage of BEFORE_RELEASE) {
    const manifests = await readManifests(storage, stage);
    const renamed = renaming(stage, spec, fingerprint, before, after);
    const now: Manifest[] = [];
    for (const manifest of manifests) {
      signal.throwIfAborted();
      const changed = {
        ...manifest,
        fingerprint: renamed(manifest),
        files: [...(await scrubFiles(storage, manifest, tombstones, replacement))],
      };
      const text = manifestText(changed);
      if (text !== manifestText(manifest)) await replacement.put(`tasks/${manifest.task}.json`, text);
      now.push(changed);
    }
    before[stage] = manifests;
    after[stage] = now;
  }
  await replacement.commit();
}

/** What a task's manifest is called now, where it was done; one that was not done stays so. */
function renaming(
  stage: StageName,
  spec: RunSpec,
  fingerprint: string,
  before: Finished,
  after: Finished,
): (manifest: Manifest) => string {
  const names = (finished: Finished) =>
    new Map(planStage(stage, spec, finished).map((task) => [task.index, taskFingerprint(fingerprint, task)]));
  const [was, is] = [names(before), names(after)];
  return (manifest) => {
    const index = Number(manifest.task.split('/')[1]);
    return manifest.fingerprint === was.get(index)
      ? (is.get(index) ?? manifest.fingerprint)
      : manifest.fingerprint;
  };
}

async function scrubFiles(
  storage: Storage,
  manifest: Manifest,
  tombstones: Tombstones,
  replacement: Replacement,
): Promise<readonly FileInfo[]> {
  const at = (path: string) => replacement.at(path);
  const copies: FileInfo[] = [];
  if (manifest.task.startsWith('harvest/')) {
    const files = harvestFiles(harvestFolder(manifest));
    if (manifest.files.some(({ path }) => releasedFiles(files).includes(path)))
      copies.push(...(await scrubShard(storage, files, at, tombstones)));
  }
  for (const { path } of manifest.files) {
    const copy = await scrubOf(path, tombstones)?.(storage, path, at(path));
    if (copy) copies.push(copy);
  }
  const changed = new Map(copies.map((copy) => replacement.add(copy)).map((file) => [file.path, file]));
  return manifest.files.map((file) => changed.get(file.path) ?? file);
}
