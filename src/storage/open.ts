import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileStorage } from './file.ts';
import { isRemote } from './locate.ts';
import { s3Place } from './s3-place.ts';
import type { Storage } from './storage.ts';

/**
 * The files of a run by its location: s3://BUCKET/PREFIX, or a folder. Which S3 is asked stands in the environment (`S3Options`).
 * @throws GleanerError USAGE
 */
export function openStorage(location: string): Storage {
  return /^s3:/i.test(location) ? lazyS3(location) : fileStorage(location);
}

/** A location as it is kept: a path of this machine becomes absolute. */
export function resolveLocation(location: string): string {
  return isRemote(location) ? location.replace(/\/+$/, '') : resolve(location);
}

/**
 * Where what works on a storage puts files of this machine that nobody else sees: in a folder of it, so that they are on the
 * same disk, or, where it has no disk of this machine, among temporary files (TMPDIR).
 */
export function scratchFolder(storage: Pick<Storage, 'kind' | 'location'>, folder: string): string {
  return storage.kind === 'file' ? join(storage.location, folder) : join(tmpdir(), `gleaner-${folder}`);
}

/** The client of S3 is loaded with the first question: who works on files does not wait for it. */
function lazyS3(location: string): Storage {
  const place = s3Place(location);
  let opened: Promise<Storage> | undefined;
  const storage = () => {
    opened ??= import('./s3-storage.ts').then(({ s3Storage }) => s3Storage(location));
    return opened;
  };
  return {
    kind: 's3',
    location: place.location,
    open: async (path) => (await storage()).open(path),
    async *stream(path, options) {
      yield* (await storage()).stream(path, options);
    },
    read: async (path) => (await storage()).read(path),
    create: async (path, options) => (await storage()).create(path, options),
    put: async (path, bytes, options) => (await storage()).put(path, bytes, options),
    size: async (path) => (await storage()).size(path),
    version: async (path) => (await storage()).version(path),
    list: async (prefix) => (await storage()).list(prefix),
    move: async (from, to) => (await storage()).move(from, to),
    remove: async (path) => (await storage()).remove(path),
    sweep: async () => (await storage()).sweep(),
  };
}
