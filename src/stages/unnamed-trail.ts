import { type RowOf, readParquetRows } from '../formats/index.ts';
import type { KnownContent } from '../safety/index.ts';
import { type FileInfo, type Storage, streamSource } from '../storage/index.ts';
import { readKnownContent, UNNAMED } from './known-content.ts';
import { DROPPED_COLUMNS, parseDropped, readPairs } from './tables.ts';
import { createTrailWriter, cut } from './trail.ts';
import { writeFile } from './write-file.ts';

type DroppedRecord = RowOf<typeof DROPPED_COLUMNS>;

/** Whether a row of a trail names what is known content, or was taken down. */
export type NamesKnown = (row: DroppedRecord) => boolean;

/**
 * Finds what names known content in the trails of all stages: extract and dedup wrote theirs before any image was looked
 * at, with repetitions of a pair and other texts of its image. Reads unique/ once where harvest has found something.
 *
 * @param dropped trails; those of harvest have the restricted reports beside them
 * @param known with the lists of URLs and domains
 */
export async function namesKnown(
  storage: Storage,
  dropped: readonly FileInfo[],
  known: Pick<KnownContent, 'refuseUrl'> | undefined,
): Promise<NamesKnown> {
  const uids = new Set<string>();
  for (const { path } of dropped)
    if (path.startsWith('harvest/'))
      for await (const { id } of readKnownContent(storage, path.replace(/[^/]*$/, 'known-content.jsonl')))
        uids.add(id);
  const urls = new Set<string>();
  if (uids.size > 0)
    for (const path of await storage.list('unique'))
      for await (const { uid, url } of readPairs(storage, path)) if (uids.has(uid)) urls.add(cut(url));
  return ({ uid, url, page_url }) =>
    uids.has(uid) || urls.has(url) || known?.refuseUrl(url, page_url) !== undefined;
}

/**
 * Copies a trail without the names of what may not be named: of such a row the reason stays, and it stands at the end.
 * @returns undefined, and writes nothing, where no row names any
 */
export async function writeUnnamed(
  storage: Storage,
  from: string,
  to: string,
  isKnown: NamesKnown,
): Promise<FileInfo | undefined> {
  const rows = () =>
    streamSource(storage, from, (source) => readParquetRows(source, DROPPED_COLUMNS, { name: from }));
  let found = 0;
  for await (const row of rows()) found += Number(isKnown(row));
  if (found === 0) return undefined;
  return writeFile(storage, to, async (sink) => {
    const trail = createTrailWriter(sink);
    const unnamed = new Map<string, number>();
    for await (const row of rows()) {
      if (isKnown(row)) unnamed.set(row.reason, (unnamed.get(row.reason) ?? 0) + 1);
      else trail.add(parseDropped(row));
      if (trail.full) await trail.flush();
    }
    for (const [reason, count] of unnamed)
      for (let n = 0; n < count; n++) {
        trail.add({ ...UNNAMED, reason });
        if (trail.full) await trail.flush();
      }
    await trail.finish();
  });
}
