import { readLines, readTar } from '../formats/index.ts';
import type { Tombstones } from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import type { FetchedShard } from '../stages/fetched-source.ts';
import { fetchedFiles, type OutcomeRecord, readOutcomes } from '../stages/outcomes.ts';
import { type Storage, streamSource } from '../storage/index.ts';
import { type Manifest, manifestPath, manifestText, readManifest, readManifests } from './manifest.ts';

/*
 * What a run has that is fetched apart from its harvest. The images of a task lie in fetched/ until it is harvested; the
 * manifests stay, without files, and tell what fetching took.
 */

/** Where the images of fetched shards lie. */
const FOLDER = 'fetched';

/** What a task of fetch left; undefined where there was nothing to fetch, or its images have been removed. */
export function fetchedShard(manifest: Manifest): FetchedShard | undefined {
  const outcomes = manifest.files.find(({ path }) => path.endsWith('/outcomes.parquet'));
  if (!outcomes) return undefined;
  return { folder: outcomes.path.slice(0, outcomes.path.lastIndexOf('/')), sha256: outcomes.sha256 };
}

/** Removes folders of fetched shards that no manifest names: what attempts left that were killed, or lost a race. */
export async function removeStrayFetched(
  storage: Storage,
  manifests: readonly (Manifest | undefined)[],
): Promise<void> {
  const kept = new Set(manifests.map((manifest) => manifest && fetchedShard(manifest)?.folder));
  const folders = new Set((await storage.list(FOLDER)).map((path) => path.slice(0, path.lastIndexOf('/'))));
  for (const folder of folders) if (!kept.has(folder)) await storage.remove(folder);
}

/**
 * Removes all fetched images of a run whose harvest is whole. Killed at any moment, manifests name no file that is gone,
 * and the next call removes the rest.
 */
export async function removeFetched(storage: Storage): Promise<void> {
  if ((await storage.list(FOLDER)).length === 0) return;
  for (const manifest of await readManifests(storage, 'fetch')) await emptyManifest(storage, manifest);
  await storage.remove(FOLDER);
}

/** The same for one shard, as soon as its harvest is done. */
export async function removeFetchedShard(storage: Storage, index: number): Promise<void> {
  const manifest = await readManifest(storage, manifestPath('fetch', index));
  const shard = manifest && fetchedShard(manifest);
  if (!shard) return;
  await emptyManifest(storage, manifest);
  await storage.remove(shard.folder);
}

/** Says that what a task fetched is no longer there, because it is not needed any more. */
async function emptyManifest(storage: Storage, manifest: Manifest): Promise<void> {
  if (manifest.files.length > 0)
    await storage.put(`tasks/${manifest.task}.json`, manifestText({ ...manifest, files: [] }));
}

/**
 * Removes fetched shards with anything that was taken down, whole: they are what a run goes through, and what is not
 * harvested yet is fetched again, without it.
 */
export async function removeFetchedOf(storage: Storage, tombstones: Tombstones): Promise<void> {
  if ((await storage.list(FOLDER)).length === 0) return;
  const harvested = new Set((await readManifests(storage, 'harvest')).map(indexOf));
  const kept: Manifest[] = [];
  for (const manifest of await readManifests(storage, 'fetch')) {
    const shard = fetchedShard(manifest);
    if (!shard || !(await holds(storage, shard, tombstones))) kept.push(manifest);
    else if (harvested.has(indexOf(manifest))) await emptyManifest(storage, manifest);
    else await storage.remove(`tasks/${manifest.task}.json`);
  }
  await removeStrayFetched(storage, kept);
}

/** One that cannot be read may hold anything. */
async function holds(storage: Storage, { folder }: FetchedShard, tombstones: Tombstones): Promise<boolean> {
  try {
    for await (const { uid, final_url, sha256 } of outcomesOf(storage, folder))
      if (
        tombstones.uids.has(uid) ||
        tombstones.namesUrl(final_url ?? '') !== undefined ||
        tombstones.hasSha256(sha256 ?? '')
      )
        return true;
    return false;
  } catch (error) {
    if (error instanceof GleanerError) return true;
    throw error;
  }
}

/** What does not add up in a fetched shard, a line each: its pairs, and the images in its tar. */
export async function checkFetched(storage: Storage, manifest: Manifest): Promise<readonly string[]> {
  const shard = fetchedShard(manifest);
  if (!shard) return [];
  const { images, outcomes, knownContent } = fetchedFiles(shard.folder);
  const places = new Map<number, number>();
  let pairs = 0;
  for await (const { offset, length } of outcomesOf(storage, shard.folder)) {
    pairs++;
    if (offset !== null && length !== null) places.set(Number(offset), length);
  }
  if ((await storage.size(knownContent)) !== undefined)
    for await (const _ of readLines(storage.stream(knownContent), { name: knownContent })) pairs++;
  const problems: string[] = [];
  if (pairs !== manifest.facts.pairs)
    problems.push(`${outcomes}: ${manifest.facts.pairs} pairs were fetched, but it tells of ${pairs}`);
  let found = 0;
  for await (const { offset, length } of readTar(storage.stream(images), { maxMemberBytes: 0, name: images }))
    if (places.get(offset) === length) found++;
  if (found !== places.size)
    problems.push(`${images}: holds ${found} of the ${places.size} images that ${outcomes} names`);
  return problems;
}

function outcomesOf(storage: Storage, folder: string): AsyncGenerator<OutcomeRecord, void, undefined> {
  const { outcomes } = fetchedFiles(folder);
  return streamSource(storage, outcomes, (source) => readOutcomes(source, outcomes));
}

/** Number of a task, by its name. */
export function indexOf({ task }: Manifest): number {
  return Number(task.split('/')[1]);
}
