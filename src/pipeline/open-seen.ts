import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { GleanerError } from '../schema/index.ts';
import { keyPaths, type Seen, seenByBloom, seenByKeys } from '../stages/seen.ts';
import {
  isRemote,
  locationName,
  openLocation,
  openStorage,
  resolveLocation,
  streamLocation,
} from '../storage/index.ts';

/** An earlier run as a part of a later one: by content, so that it can be moved, and is not taken for what it was. */
export interface SeenRun {
  /** Absolute path or s3:// location of its root, or of a Bloom filter. */
  readonly path: string;
  /** What the trail calls it. */
  readonly name: string;
  /** Of its key files one after another, or of the filter. */
  readonly sha256: string;
}

/**
 * What an earlier run had, as a user names it: its folder, or a Bloom filter (`.bloom`).
 * @throws GleanerError FILE_NOT_FOUND, RUN_NOT_FOUND, DAMAGED
 */
export async function openSeen(path: string): Promise<Seen> {
  const label = locationName(resolveLocation(path));
  return (await isFolder(path))
    ? seenByKeys(openStorage(path), label)
    : seenByBloom(() => openLocation(path), path, label);
}

/**
 * Looks at earlier runs before a run begins. Each is read once, 16 bytes a pair, as dedup will read it once more.
 *
 * @param out folder of the run that begins
 * @throws GleanerError as `openSeen`, USAGE where one of them is `out`
 */
export async function identifySeen(paths: readonly string[], out: string): Promise<SeenRun[]> {
  const runs: SeenRun[] = [];
  for (const path of paths) {
    refuseOwn(path, out);
    const { label } = await openSeen(path);
    const digest = createHash('sha256');
    for await (const chunk of contentOf(path)) digest.update(chunk);
    runs.push({ path: resolveLocation(path), name: label, sha256: digest.digest('hex') });
  }
  return runs;
}

/** A run cannot be its own earlier run: its keys are about to be written anew. @throws GleanerError USAGE */
export function refuseOwn(path: string, out: string): void {
  if (resolveLocation(path) === resolveLocation(out))
    throw new GleanerError('USAGE', { problem: `${path} is what is written to; --seen names earlier runs.` });
}

/** Key files say their bucket and their length: one after another they can be told apart. */
async function* contentOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  if (!(await isFolder(path))) {
    yield* streamLocation(path);
    return;
  }
  const storage = openStorage(path);
  for (const file of await keyPaths(storage)) yield* storage.stream(file);
}

async function isFolder(path: string): Promise<boolean> {
  // A bucket has no folders: what is no filter is the prefix of a run.
  if (isRemote(path)) return !path.endsWith('.bloom');
  const found = await stat(path).catch(() => undefined);
  if (found) return found.isDirectory();
  throw new GleanerError('FILE_NOT_FOUND', {
    path,
    hint: 'Name the folder of an earlier run, or a .bloom file.',
  });
}
