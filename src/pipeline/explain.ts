import { type RowOf, readParquetRows } from '../formats/index.ts';
import { GleanerError, isReason, type Reason } from '../schema/index.ts';
import { RELEASE_COLUMNS } from '../stages/released.ts';
import { DROPPED_COLUMNS } from '../stages/tables.ts';
import { cut } from '../stages/trail.ts';
import { type Storage, streamSource } from '../storage/index.ts';

/** What became of one pair. */
export type Fate =
  | { readonly kept: true; readonly row: RowOf<typeof RELEASE_COLUMNS> }
  | { readonly kept: false; readonly reason: Reason; readonly row: RowOf<typeof DROPPED_COLUMNS> };

/**
 * Says what became of an image URL, a page's pairs under that URL, or of one uid: every row of the release and of
 * the dropped trail that names it, the kept ones first. Links without a text are counted by a run, not listed.
 *
 * @param urlOrUid an image URL as it was published (a fragment does not count), or 32 hexadecimal digits. Of a URL of
 *   more than 2,048 characters the trail has the beginning: other dropped ones that begin so are found too
 * @throws GleanerError RUN_NOT_FOUND where there is no release
 */
export async function explainPair(storage: Storage, urlOrUid: string): Promise<Fate[]> {
  const metadata = await storage.list('release/metadata');
  if (metadata.length === 0)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: 'Give the --out of a finished run.',
    });
  const wanted = canonical(urlOrUid);
  const fates: Fate[] = [];
  for (const path of metadata)
    for await (const row of streamSource(storage, path, (source) =>
      readParquetRows(source, RELEASE_COLUMNS, { name: path }),
    ))
      if (row.URL === wanted || row.uid === wanted) fates.push({ kept: true, row });
  const listed = cut(wanted);
  for (const path of await storage.list('release/dropped'))
    for await (const row of streamSource(storage, path, (source) =>
      readParquetRows(source, DROPPED_COLUMNS, { name: path }),
    ))
      if (row.url === listed || row.uid === wanted)
        fates.push({ kept: false, reason: parseReason(row.reason, path), row });
  return fates;
}

function canonical(urlOrUid: string): string {
  const url = URL.parse(urlOrUid);
  if (!url) return urlOrUid.toLowerCase();
  url.hash = '';
  return url.href;
}

function parseReason(reason: string, path: string): Reason {
  if (isReason(reason)) return reason;
  throw new GleanerError('DAMAGED', { path, problem: `'${reason}' is no reason that this version knows.` });
}
