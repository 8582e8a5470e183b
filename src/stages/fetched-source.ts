import { createHash } from 'node:crypto';
import type { ImageSource } from '../fetcher/index.ts';
import { type Dropped, dropped, type FetchOutcome, GleanerError, kept } from '../schema/index.ts';
import { type ByteSource, inBlocks, type OpenSource, type Storage } from '../storage/index.ts';
import { readKnownContent } from './known-content.ts';
import {
  type FetchedMember,
  fetchedFiles,
  type OutcomeRecord,
  parseOutcome,
  readOutcomes,
} from './outcomes.ts';

/** What a task of fetch left. */
export interface FetchedShard {
  readonly folder: string;
  /** Of its outcomes.parquet, which has the digest of each image. */
  readonly sha256: string;
}

/**
 * Images are asked for in about the order in which they lie. So much of a tar is held that those which came some hundreds
 * of images too late or too early cost no read of their own, mostly: 16 MiB, 300 images of 54 kB.
 */
const BLOCKS = { blockBytes: 1 << 20, maxBlocks: 16 };

/**
 * Opens what was fetched as a source of images: each pair's, or what became of it, facts included. It asks no network.
 * Memory: 16 MiB, and the rows of one task.
 *
 * @param refuseUrl asked of the URL that an image came from at last: it may have been taken down since
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED where a file is not what was written
 */
export async function openFetched(
  storage: Storage,
  { folder, sha256 }: FetchedShard,
  refuseUrl?: (href: string) => Dropped | undefined,
): Promise<ImageSource> {
  const files = fetchedFiles(folder);
  const location = (path: string) => `${storage.location}/${path}`;
  const outcomes = await readByUid(storage, files.outcomes, sha256);
  const known = new Map<string, string>();
  for await (const { id, detail } of readKnownContent(storage, files.knownContent)) known.set(id, detail);
  let tar: Promise<{ readonly file: OpenSource; readonly blocks: ByteSource }> | undefined;
  let closed = false;

  const read = async ({ offset, length, sha256: expected }: FetchedMember): Promise<Uint8Array> => {
    tar ??= storage.open(files.images).then((file) => ({ file, blocks: inBlocks(file, BLOCKS) }));
    const { blocks } = await tar;
    const bytes = new Uint8Array(await blocks.slice(offset, offset + length));
    if (createHash('sha256').update(bytes).digest('hex') !== expected)
      throw new GleanerError('DAMAGED', {
        path: location(files.images),
        problem: `has other bytes at ${offset} than were written. Remove it and run again: it is fetched anew.`,
      });
    return bytes;
  };

  return {
    async get(url, signal, uid = ''): Promise<FetchOutcome> {
      signal?.throwIfAborted();
      if (closed) throw new Error('The image source is closed.');
      const listed = known.get(uid);
      if (listed !== undefined) return dropped('known_content', listed);
      const record = outcomes.get(uid);
      if (!record)
        throw new GleanerError('DAMAGED', {
          path: location(files.outcomes),
          problem: `says nothing of the pair ${uid}.`,
        });
      const { facts, ...fate } = parseOutcome(record, url, location(files.outcomes));
      const told = facts && { facts };
      if (!fate.kept) return { ...fate, ...told };
      const { finalUrl, fetchedAt } = fate;
      const refused = refuseUrl?.(finalUrl);
      if (refused) return refused;
      return { ...kept({ bytes: await read(fate), finalUrl, contentType: '', fetchedAt }), ...told };
    },
    async close() {
      closed = true;
      const opened = await tar?.catch(() => undefined);
      tar = undefined;
      await opened?.file.close();
    },
  };
}

/** Memory: the rows of one task. */
async function readByUid(
  storage: Storage,
  path: string,
  sha256: string,
): Promise<ReadonlyMap<string, OutcomeRecord>> {
  const bytes = await storage.read(path);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new GleanerError('DAMAGED', {
      path: `${storage.location}/${path}`,
      problem: 'is not what was written. Remove it and run again: its images are fetched anew.',
    });
  const source = {
    byteLength: bytes.length,
    slice: async (start: number, end = bytes.length) => new Uint8Array(bytes.subarray(start, end)).buffer,
  };
  const rows = new Map<string, OutcomeRecord>();
  for await (const record of readOutcomes(source, path)) rows.set(record.uid, record);
  return rows;
}
