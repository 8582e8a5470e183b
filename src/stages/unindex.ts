import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readLines } from '../formats/index.ts';
import { FullTextIndex } from '../fulltext/index.ts';
import { FieldTable, openKnn } from '../knn/index.ts';
import type { Tombstones } from '../safety/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { IMAGE_RECORD_BYTES, INDEX_FILES, placesOf, readSummary } from './index-files.ts';
import { finishPlace, sweepIndices } from './index-place.ts';
import { removeFromMap } from './map/unmap.ts';
import { releaseFiles } from './released.ts';
import { storedImages } from './stored-images.ts';

/*
 * Takes rows out of DIR/index, which stays as it is for all others: nothing is built again. First their numbers are
 * written down, by which every search leaves them out from then on; then they leave the engines, the columns to filter
 * by and the words of captions, and in the tables blanks and zeros take their place.
 */

const removedSchema = z.object({
  version: z.literal(1),
  /** SAMPLE_IDs without a row, ascending. */
  ids: z.array(z.int().min(0)),
  /** Whether engines and columns still have some of them: where a takedown was stopped. */
  pending: z.boolean(),
  /** Whether the release changes as the index does: it was that of the release when the takedown began. */
  following: z.boolean(),
});
/** DIR/index/removed.json. */
export type RemovedFromIndex = Readonly<z.infer<typeof removedSchema>>;

const NONE: RemovedFromIndex = { version: 1, ids: [], pending: false, following: false };

/** What was taken out of an index since it was made. @throws GleanerError DAMAGED */
export async function readRemoved(storage: Storage): Promise<RemovedFromIndex> {
  const path = INDEX_FILES.removed;
  if ((await storage.size(path)) === undefined) return NONE;
  try {
    return removedSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(path))));
  } catch (cause) {
    const problem = 'is not what gleaner writes. Make the index again with gleaner index.';
    throw new GleanerError('DAMAGED', { path, problem }, { cause });
  }
}

export async function writeRemoved(
  storage: Storage,
  removed: RemovedFromIndex,
  path: string = INDEX_FILES.removed,
): Promise<void> {
  await storage.put(path, `${JSON.stringify(removed)}\n`);
}

/** Rows of a release that was added to an index. */
export interface HiddenOfSource {
  /** Its folder, from that of the index on. */
  readonly path: string;
  readonly rows: number;
}

/**
 * Takes rows out of what searches find, those of a service that runs included. Reads the table of rows once.
 * @returns how many rows that were not hidden before came from each release that was added: they are still there
 */
export async function hideInIndex(
  dir: string,
  storage: Storage,
  tombstones: Tombstones,
): Promise<readonly HiddenOfSource[]> {
  await finishPlace(dir);
  await sweepIndices(dir);
  if ((await storage.size(INDEX_FILES.summary)) === undefined) return [];
  const before = await readRemoved(storage);
  const ids = new Set(before.ids);
  let id = 0;
  for await (const line of readLines(storage.stream(INDEX_FILES.metadata), { name: INDEX_FILES.metadata })) {
    if (!ids.has(id) && line.trim() !== '') {
      const row = parseRow(line);
      if (
        tombstones.names({ uid: row.uid, url: row.URL, page_url: row.page_url }) ||
        tombstones.hasSha256(row.sha256)
      )
        ids.add(id);
    }
    id++;
  }
  const removed = {
    version: 1 as const,
    ids: [...ids].sort((a, b) => a - b),
    pending: before.pending || ids.size > before.ids.length,
    following: before.following || (await isOfRelease(storage)),
  };
  await writeRemoved(storage, removed);
  await deletePending(dir, storage);
  const gone = new Set(before.ids);
  const hidden = removed.ids.filter((one) => !gone.has(one));
  return (await readSummary(storage)).sources.flatMap(({ path, first, rows }) => {
    const count = hidden.filter((one) => one >= first && one < first + rows).length;
    return count > 0 ? [{ path, rows: count }] : [];
  });
}

const rowSchema = z.object({
  URL: z.string(),
  page_url: z.string(),
  uid: z.string(),
  sha256: z.string(),
  NSFW: z.string(),
  key: z.string(),
});

function parseRow(line: string): z.infer<typeof rowSchema> {
  try {
    return rowSchema.parse(JSON.parse(line));
  } catch (cause) {
    const problem = 'holds a line that is no row. Make the index again with gleaner index.';
    throw new GleanerError('DAMAGED', { path: INDEX_FILES.metadata, problem }, { cause });
  }
}

async function releaseHash(storage: Storage): Promise<string> {
  return createHash('sha256')
    .update(await storage.read('release/stats.json'))
    .digest('hex');
}

async function isOfRelease(storage: Storage): Promise<boolean> {
  if ((await storage.size('release/stats.json')) === undefined) return false;
  return (await readSummary(storage)).release === (await releaseHash(storage));
}

/** Takes rows that are to leave the engines, columns and words out of their files. A service may have these open. */
export async function deletePending(dir: string, storage: Storage): Promise<void> {
  const removed = await readRemoved(storage);
  if (!removed.pending) return;
  for (const kind of [INDEX_FILES.image, INDEX_FILES.text]) {
    const index = await openKnn(join(dir, kind), { readOnly: false });
    try {
      await index.remove(removed.ids);
    } finally {
      await index.close();
    }
  }
  const fields = await FieldTable.open(join(dir, INDEX_FILES.fields), { readOnly: false });
  fields.remove(removed.ids);
  await fields.close();
  const captions = await FullTextIndex.open(join(dir, INDEX_FILES.captions), { readOnly: false });
  try {
    await captions.remove(removed.ids);
  } finally {
    await captions.close();
  }
  await writeRemoved(storage, { ...removed, pending: false });
}

/**
 * Makes the tables of the index those of the release as it is after a takedown: where pictures lie in the tars that were
 * written anew, and nothing of the rows that are gone. An index that was of another release stays so; rows leave it too.
 */
export async function indexFollows(dir: string, storage: Storage): Promise<void> {
  if ((await storage.size(INDEX_FILES.summary)) === undefined) return;
  const removed = await readRemoved(storage);
  if (removed.following) {
    const summary = await readSummary(storage);
    // Pictures of releases that were added lie where they lay.
    const { own: places } = placesOf(summary);
    await movePictures(dir, storage, removed.ids, { places, parts: summary.parts });
  }
  await blankRows(dir, storage, removed.ids);
  await removeFromMap(dir, storage, removed.ids);
  if (removed.following && (await storage.size('release/stats.json')) !== undefined) {
    const summary = await readSummary(storage);
    const counted = await countRows(storage);
    const release = await releaseHash(storage);
    const { rows, nsfw } = counted;
    const now = { ...summary, release, rows, removed: removed.ids.length, nsfw };
    await storage.put(INDEX_FILES.summary, `${JSON.stringify(now, null, 2)}\n`);
  }
  const { pending } = await readRemoved(storage);
  await writeRemoved(storage, { ...removed, pending, following: false });
}

async function countRows(storage: Storage): Promise<{ rows: number; nsfw: Record<string, number> }> {
  const nsfw = new Map<string, number>();
  let rows = 0;
  for await (const line of readLines(storage.stream(INDEX_FILES.metadata), { name: INDEX_FILES.metadata })) {
    if (line.trim() === '') continue;
    const { NSFW } = parseRow(line);
    nsfw.set(NSFW, (nsfw.get(NSFW) ?? 0) + 1);
    rows++;
  }
  return { rows, nsfw: Object.fromEntries([...nsfw].sort()) };
}

/** Overwrites the lines of rows with blanks: those of the others stay where they are. */
async function blankRows(dir: string, storage: Storage, ids: readonly number[]): Promise<void> {
  const offsets = await storage.open(INDEX_FILES.metadataOffsets);
  const lines = await open(join(dir, INDEX_FILES.metadata), 'r+');
  try {
    for (const id of ids) {
      const [start = 0n, end = 0n] = new BigUint64Array(await offsets.slice(id * 8, (id + 2) * 8));
      // The line feed stays: the table has a line for each number.
      if (end > start) await writeAt(lines, Buffer.alloc(Number(end - start) - 1, ' '), Number(start));
    }
    await lines.datasync();
  } finally {
    await offsets.close();
    await lines.close();
  }
}

/** Where a record says its part, which it keeps when its picture is gone: so parts ascend in the table. */
const PART_OFFSET = 12;

/** Writes down where pictures lie in the tars that had some of these rows; of the rows themselves, nowhere. */
async function movePictures(
  dir: string,
  storage: Storage,
  ids: readonly number[],
  { places, parts }: { readonly places: number; readonly parts: number },
): Promise<void> {
  const table = await open(join(dir, INDEX_FILES.images), 'r+');
  try {
    const changed = new Set<number>();
    for (const id of ids.filter((one) => one < places)) {
      const { length, part } = await readRecord(table, id);
      if (length > 0 && part < parts) changed.add(part);
    }
    const gone = new Set(ids);
    for (const part of changed) {
      const { images } = releaseFiles(part, parts);
      let id = await firstOf(table, part, places);
      for await (const member of storedImages(storage, images)) {
        while (gone.has(id)) id++;
        const record = Buffer.alloc(IMAGE_RECORD_BYTES);
        record.writeBigUInt64LE(BigInt(member.offset), 0);
        record.writeUInt32LE(member.length, 8);
        record.writeUInt32LE(part, PART_OFFSET);
        await writeAt(table, record, id * IMAGE_RECORD_BYTES);
        id++;
      }
    }
    // At last: while one of them is there, it is seen which parts have changed.
    for (const id of ids) await writeAt(table, Buffer.alloc(PART_OFFSET), id * IMAGE_RECORD_BYTES);
    await table.datasync();
  } finally {
    await table.close();
  }
}

async function readRecord(table: FileHandle, id: number): Promise<{ length: number; part: number }> {
  const record = Buffer.alloc(IMAGE_RECORD_BYTES);
  await table.read(record, 0, IMAGE_RECORD_BYTES, id * IMAGE_RECORD_BYTES);
  return { length: record.readUInt32LE(8), part: record.readUInt32LE(PART_OFFSET) };
}

/** The first number of a part, or of a later one where it has none, of so many places. */
async function firstOf(table: FileHandle, part: number, places: number): Promise<number> {
  let [low, high] = [0, places];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((await readRecord(table, middle)).part < part) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}
