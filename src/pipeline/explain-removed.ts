import { domainsOf } from '../safety/addresses.ts';
import { type RemovedPair, type Takedown, takedownHash, urlHash } from '../safety/tombstones.ts';
import type { Storage } from '../storage/index.ts';
import { runTombstones } from './tombstones.ts';

/** What was taken down of what one asks for: pairs of the run, and takedowns that it falls under. */
export interface Removed {
  readonly pairs: readonly RemovedPair[];
  readonly takedowns: readonly Takedown[];
}

/**
 * Says what was taken down under an image URL, a page's or one uid: when and why, and nothing of what it was.
 * @param urlOrUid an http or https URL (a fragment does not count), or 32 hexadecimal digits
 * @throws GleanerError DAMAGED
 */
export async function explainRemoved(storage: Storage, urlOrUid: string): Promise<Removed> {
  const { takedowns, pairs } = await runTombstones(storage);
  const url = URL.parse(urlOrUid);
  const hashes = new Set<string | null | undefined>(
    url
      ? [urlHash(urlOrUid), ...domainsOf(url).map((name) => takedownHash('domain', name))]
      : [takedownHash('uid', urlOrUid)],
  );
  return {
    pairs: pairs.filter(({ uid, url: of }) => hashes.has(uid) || (of !== null && hashes.has(of))),
    takedowns: takedowns.filter(({ hash }) => hashes.has(hash)),
  };
}
