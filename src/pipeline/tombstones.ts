import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readTombstones, TOMBSTONES_FILE, type TombstoneList, Tombstones } from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import { isRemote, openStorage, type Storage, streamFile, streamLocation } from '../storage/index.ts';
import type { RunSpec } from './run-file.ts';

/** What was taken down from a run; empty where nothing was. @throws GleanerError DAMAGED */
export async function runTombstones(storage: Storage): Promise<TombstoneList> {
  if ((await storage.size(TOMBSTONES_FILE)) === undefined) return { takedowns: [], pairs: [] };
  return readTombstones(`${storage.location}/${TOMBSTONES_FILE}`, storage.stream(TOMBSTONES_FILE));
}

/** The pairs that a release numbers and does not write. @throws GleanerError DAMAGED */
export async function removedUids(storage: Storage): Promise<ReadonlySet<string>> {
  return new Tombstones(await runTombstones(storage)).uids;
}

/**
 * A tombstone file by its path or URL (`.jsonl`), or that of a run by its root; empty where a folder has none.
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function namedTombstones(path: string): Promise<TombstoneList> {
  if (isRemote(path))
    return path.endsWith('.jsonl')
      ? readTombstones(path, streamLocation(path))
      : runTombstones(openStorage(path));
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new GleanerError('FILE_NOT_FOUND', {
      path,
      hint: `Name a tombstone file, or the folder of a run with ${TOMBSTONES_FILE}.`,
    });
  if (!found.isDirectory()) return readTombstones(path, streamFile(path));
  const file = join(path, TOMBSTONES_FILE);
  return (await stat(file).catch(() => undefined))
    ? readTombstones(file, streamFile(file))
    : { takedowns: [], pairs: [] };
}

/**
 * All that a run has to honour, as it stands now: its own tombstones, those of earlier runs (`--seen`; of one whose
 * folder is gone there are none), and those that were named.
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function honouredTombstones(
  storage: Storage,
  { seen, tombstones = [] }: Pick<RunSpec, 'seen' | 'tombstones'>,
): Promise<Tombstones> {
  const lists = [await runTombstones(storage)];
  for (const { path } of seen) {
    if (isRemote(path)) {
      if (!path.endsWith('.bloom')) lists.push(await namedTombstones(path));
      continue;
    }
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) lists.push(await namedTombstones(path));
  }
  for (const path of tombstones) lists.push(await namedTombstones(path));
  return new Tombstones(...lists);
}
