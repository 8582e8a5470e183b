import { type Column, readParquetRows } from '../formats/index.ts';
import {
  type RemovedPair,
  type Takedown,
  type TakedownKind,
  Tombstones,
  urlHash,
} from '../safety/tombstones.ts';
import { harvestFiles } from '../stages/harvested.ts';
import { readPairs } from '../stages/tables.ts';
import { type Storage, streamSource } from '../storage/index.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { harvestFolder } from './plan.ts';

const ROW_COLUMNS = [
  { name: 'uid', type: 'string' },
  { name: 'sha256', type: 'string' },
] as const satisfies readonly Column[];
const FETCHED_COLUMNS = [
  { name: 'uid', type: 'string' },
  { name: 'final_url', type: 'string', nullable: true },
] as const satisfies readonly Column[];

/** Why and when: the same for all that one takedown names. */
interface Grounds {
  readonly reason: string;
  readonly at: string;
}

/**
 * The pairs of a run that takedowns name: by uid, by the URL or domain of the image, of its page or of where the image
 * came from at last, or by the bytes of the image; and those that have the URL of an image which is taken down.
 * Reads `unique/`, rows and fetch records of the harvest, twice where bytes or redirects have led to further URLs.
 * Memory: what is found.
 *
 * @returns pairs in the order of their uids; of what was scrubbed before nothing is found again
 */
export async function findNamed(
  storage: Storage,
  takedowns: readonly Takedown[],
  grounds: Grounds,
): Promise<RemovedPair[]> {
  const harvested = await readManifests(storage, 'harvest');
  const first = await findPairs(storage, harvested, takedowns, grounds);
  let { found } = first;
  if (first.further.length > 0) {
    // URLs that nobody named, whose pictures are taken down: other pairs may have them, with another text.
    const urls = first.further.map((hash): Takedown => ({ kind: 'url', hash, ...grounds }));
    const by = new Map(found.map((pair) => [pair.uid, pair.by]));
    const second = await findPairs(storage, harvested, [...takedowns, ...urls], grounds);
    found = second.found.map((pair) => ({ ...pair, by: by.get(pair.uid) ?? pair.by }));
  }
  const hashes = await hashesOf(storage, harvested, new Set(found.map(({ uid }) => uid)));
  return found
    .map((pair) => ({ ...pair, sha256: hashes.get(pair.uid) ?? null }))
    .sort((a, b) => (a.uid < b.uid ? -1 : 1));
}

/** @returns what is found, and hashes of those of its URLs that no takedown names */
async function findPairs(
  storage: Storage,
  harvested: readonly Manifest[],
  takedowns: readonly Takedown[],
  grounds: Grounds,
): Promise<{ readonly found: RemovedPair[]; readonly further: readonly string[] }> {
  const tombstones = new Tombstones({ takedowns, pairs: [] });
  const byPicture = await namedPictures(storage, harvested, tombstones);
  const found: RemovedPair[] = [];
  const further: string[] = [];
  for (const path of await storage.list('unique'))
    for await (const { uid, url, pageUrl } of readPairs(storage, path)) {
      if (url === '') continue;
      const byUrl = tombstones.namesUrl(url);
      const picture = byUrl ?? byPicture.get(uid);
      // Where the page is named, or this text alone, the picture may well stand elsewhere, with another.
      const by = picture ?? tombstones.namesUrl(pageUrl) ?? (tombstones.uids.has(uid) ? 'uid' : undefined);
      if (!by) continue;
      const hash = picture ? urlHash(url) : null;
      if (hash !== null && !byUrl) further.push(hash);
      found.push({ uid, url: hash, sha256: null, by, ...grounds });
    }
  return { found, further };
}

/** Pairs by what harvest knows of their pictures: the bytes, and where they came from at last. */
async function namedPictures(
  storage: Storage,
  harvested: readonly Manifest[],
  tombstones: Tombstones,
): Promise<ReadonlyMap<string, TakedownKind>> {
  const named = new Map<string, TakedownKind>();
  for (const manifest of harvested) {
    const files = harvestFiles(harvestFolder(manifest));
    // Shards of before there were such files have none.
    if ((await storage.size(files.fetched)) !== undefined)
      for await (const { uid, final_url } of read(storage, files.fetched, FETCHED_COLUMNS)) {
        const by = final_url === null ? undefined : tombstones.namesUrl(final_url);
        if (by) named.set(uid, by);
      }
    for await (const { uid, sha256 } of read(storage, files.rows, ROW_COLUMNS))
      if (tombstones.hasSha256(sha256)) named.set(uid, 'sha256');
  }
  return named;
}

/** SHA-256 of the bytes of kept pairs, by uid. */
async function hashesOf(
  storage: Storage,
  harvested: readonly Manifest[],
  uids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  if (uids.size === 0) return hashes;
  for (const manifest of harvested) {
    const { rows } = harvestFiles(harvestFolder(manifest));
    for await (const { uid, sha256 } of read(storage, rows, ROW_COLUMNS))
      if (uids.has(uid) && sha256 !== '') hashes.set(uid, sha256);
  }
  return hashes;
}

function read<const C extends typeof ROW_COLUMNS | typeof FETCHED_COLUMNS>(
  storage: Storage,
  path: string,
  columns: C,
) {
  return streamSource(storage, path, (source) => readParquetRows(source, columns, { name: path }));
}
