import { parquetInfo, type RowOf, readParquetRowGroup, readParquetRows } from '../formats/index.ts';
import { GleanerError, isReason, type Reason } from '../schema/index.ts';
import { FETCHED_COLUMNS, type FetchedRecord } from '../stages/fetched.ts';
import { RELEASE_COLUMNS } from '../stages/released.ts';
import { DROPPED_COLUMNS } from '../stages/tables.ts';
import { cut } from '../stages/trail.ts';
import { type Storage, streamSource, withSource } from '../storage/index.ts';
import { readManifests } from './manifest.ts';

const [UID] = FETCHED_COLUMNS;

/** What became of one pair. `fetched` is what fetching it took, where it was asked for on the web. */
export type Fate = { readonly fetched?: FetchedRecord } & (
  | { readonly kept: true; readonly row: RowOf<typeof RELEASE_COLUMNS> }
  | { readonly kept: false; readonly reason: Reason; readonly row: RowOf<typeof DROPPED_COLUMNS> }
);

/**
 * Says what became of an image URL, a page's pairs under that URL, or of one uid: every row of the release and of
 * the dropped trail that names it, the kept ones first. Links without a text are counted by a run, not listed, and so is
 * what is on a list of known content.
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
  // Rows that name no pair are nobody's.
  if (wanted === '') return fates;
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
  const fetched = await fetchedOf(storage, new Set(fates.map(({ row }) => row.uid)));
  return fates.map((fate) => {
    const found = fetched.get(fate.row.uid);
    return found ? { ...fate, fetched: found } : fate;
  });
}

/** What fetching these took, by uid. */
async function fetchedOf(storage: Storage, uids: ReadonlySet<string>): Promise<Map<string, FetchedRecord>> {
  const found = new Map<string, FetchedRecord>();
  if (uids.size === 0) return found;
  const manifests = await readManifests(storage, 'harvest');
  const files = manifests.flatMap((manifest) => manifest.files).map(({ path }) => path);
  for (const path of files.filter((name) => name.endsWith('/fetched.parquet')))
    await withSource(storage, path, async (source) => {
      const info = await parquetInfo(source, path);
      for (const group of info.rowGroups.keys()) {
        // One column says whether the others are worth reading.
        const names = await readParquetRowGroup(source, [UID], group, { name: path, info });
        if (!names.some(({ uid }) => uids.has(uid))) continue;
        for (const row of await readParquetRowGroup(source, FETCHED_COLUMNS, group, { name: path, info }))
          if (uids.has(row.uid)) found.set(row.uid, row);
      }
    });
  return found;
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
