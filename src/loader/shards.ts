import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GleanerError } from '../schema/index.ts';
import { expandBraces, expandPattern, isRemote, openStorage } from '../storage/index.ts';

/** A tar of a dataset. */
export interface Shard {
  /** Absolute path, or http:, https: or s3:. */
  readonly path: string;
  /** Of a file of this machine. */
  readonly bytes?: number;
}

/** Where the tars lie in a folder that somebody names: of a run, of a release, or of tars. */
const FOLDERS = ['release/images', 'images', ''] as const;

/**
 * The tars that were named, in their order; those of a folder sorted.
 * @throws GleanerError FILE_NOT_FOUND, USAGE
 */
export async function findShards(from: string | readonly string[]): Promise<readonly Shard[]> {
  const shards: Shard[] = [];
  for (const named of typeof from === 'string' ? [from] : from)
    for (const name of await expand(named)) shards.push(...(await shardsOf(name)));
  if (shards.length > 0) return shards;
  throw new GleanerError('USAGE', { problem: "loader: 'from' names no tars." });
}

/** A file may be called as a pattern is written. */
async function expand(name: string): Promise<readonly string[]> {
  return !isRemote(name) && (await stat(name).catch(() => undefined)) ? [name] : expandBraces(name);
}

async function shardsOf(name: string): Promise<readonly Shard[]> {
  if (isRemote(name)) return /^s3:/i.test(name) && !isTar(name) ? listShards(name) : [{ path: name }];
  const shards: Shard[] = [];
  for (const path of await expandPattern(name)) {
    const found = await stat(path).catch(() => undefined);
    if (!found)
      throw new GleanerError('FILE_NOT_FOUND', { path, hint: 'Name tars, or the folder of a release.' });
    if (found.isDirectory()) shards.push(...(await inFolder(path)));
    else shards.push({ path: resolve(path), bytes: found.size });
  }
  return shards;
}

async function inFolder(folder: string): Promise<readonly Shard[]> {
  for (const below of FOLDERS) {
    const names = (await readdir(join(folder, below)).catch(() => [])).filter(isTar).sort();
    if (names.length === 0) continue;
    const paths = names.map((name) => resolve(folder, below, name));
    return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
  }
  throw new GleanerError('FILE_NOT_FOUND', {
    path: join(folder, '*.tar'),
    hint: 'The folder holds no tars.',
  });
}

/** Of a bucket a prefix is a folder. */
async function listShards(location: string): Promise<readonly Shard[]> {
  const storage = openStorage(location);
  for (const below of FOLDERS) {
    const prefix = below && `${below}/`;
    const names = (await storage.list(prefix)).filter(isTar).sort();
    if (names.length > 0) return names.map((name) => ({ path: `${storage.location}/${name}` }));
  }
  throw new GleanerError('FILE_NOT_FOUND', { path: `${location}/*.tar`, hint: 'There are no tars there.' });
}

const isTar = (name: string) => name.toLowerCase().endsWith('.tar');
