import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { GleanerError } from '../schema/index.ts';
import type { FileInfo, OpenSource } from './bytes.ts';
import { replaceVersion, versionOf } from './file-version.ts';
import type { CreateOptions, PendingFile, Storage } from './storage.ts';

/** Names of files that are being written begin so: no reader and no listing sees them. */
export const PENDING = '.pending-';
/** Bytes a read of a stream asks for: few calls, little memory. */
const STREAM_CHUNK_BYTES = 1 << 20;

/**
 * Files below a folder of this machine. The folder is made when the first file is written.
 * Paths that lead out of it are refused: they may come from a manifest that somebody else wrote.
 * @throws GleanerError USAGE for a URL; `openStorage` takes those of S3
 */
export function fileStorage(root: string): Storage {
  assertLocal(root);
  const base = resolve(root);
  const at = (path: string): string => {
    const full = resolve(base, path);
    if (full !== base && !full.startsWith(base.endsWith(sep) ? base : base + sep))
      throw new GleanerError('DAMAGED', { path, problem: `leads out of ${base}` });
    return full;
  };
  return {
    kind: 'file',
    location: base,
    async open(path) {
      return openFile(at(path));
    },
    stream(path, options) {
      return streamFile(at(path), options);
    },
    async read(path) {
      return readFile(at(path)).catch((error: unknown) => refuse(at(path), error));
    },
    async create(path, options) {
      return createFile(at(path), path, options);
    },
    async put(path, bytes, options) {
      const file = await createFile(at(path), path);
      try {
        await file.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
        return await file.commit(options);
      } catch (error) {
        await file.abort();
        throw error;
      }
    },
    async size(path) {
      const found = await stat(at(path)).catch(absent);
      return found?.isFile() ? found.size : undefined;
    },
    async version(path) {
      return versionOf(at(path));
    },
    async list(prefix) {
      const entries = await readdir(at(prefix), { recursive: true, withFileTypes: true }).catch(absent);
      return (entries ?? [])
        .filter((entry) => entry.isFile() && !entry.name.startsWith(PENDING))
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(base.length + 1)
            .split(sep)
            .join('/'),
        )
        .sort();
    },
    async move(from, to) {
      await mkdir(dirname(at(to)), { recursive: true });
      // A file takes the place of another by itself; a folder takes none that holds something.
      if ((await stat(at(from))).isDirectory()) await rm(at(to), { recursive: true, force: true });
      await rename(at(from), at(to));
    },
    async remove(path) {
      await rm(at(path), { recursive: true, force: true });
    },
    async sweep() {
      const entries = (await readdir(base, { recursive: true, withFileTypes: true }).catch(absent)) ?? [];
      const pathOf = (entry: Dirent) => join(entry.parentPath, entry.name);
      for (const entry of entries)
        if (entry.name.startsWith(PENDING)) await rm(pathOf(entry), { force: true });
      // Folders that were made for what never got its name: the deepest first, those that hold something stay.
      const folders = entries.filter((entry) => entry.isDirectory()).map(pathOf);
      for (const folder of folders.sort((one, other) => other.length - one.length))
        await rmdir(folder).catch((error: unknown) => {
          if (!isCode(error, 'ENOTEMPTY') && !isCode(error, 'EEXIST') && !isCode(error, 'ENOENT'))
            throw error;
        });
    },
  };
}

/** For what works on a disk of this machine alone. @throws GleanerError USAGE for a URL */
export function assertLocal(location: string): void {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(location))
    throw new GleanerError('USAGE', { problem: `${location}: this needs a folder of this machine.` });
}

/** Opens one file, given by any path of the machine, for reading in ranges. @throws GleanerError */
export async function openFile(path: string): Promise<OpenSource> {
  const file = await open(path, 'r').catch((error: unknown) => refuse(path, error));
  const { size } = await file.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const from = Math.max(0, start < 0 ? size + start : start);
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - from));
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
        if (bytesRead === 0)
          throw new GleanerError('DAMAGED', { path, problem: 'became shorter while it was read' });
        done += bytesRead;
      }
      return bytes.buffer;
    },
    close: () => file.close(),
  };
}

export interface StreamOptions {
  /** Offset of the first byte. @default 0 */
  readonly start?: number;
  /** A chunk is good only until the next is asked for: all are read into one buffer. @default false */
  readonly passing?: boolean;
}

/** The bytes of one file, given by any path of the machine. @throws GleanerError */
export async function* streamFile(
  path: string,
  { start = 0, passing = false }: StreamOptions = {},
): AsyncGenerator<Uint8Array> {
  if (passing) {
    yield* readInPlace(path, start);
    return;
  }
  const stream = createReadStream(path, { start, highWaterMark: STREAM_CHUNK_BYTES });
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    refuse(path, error);
  } finally {
    stream.destroy();
  }
}

async function* readInPlace(path: string, start: number): AsyncGenerator<Uint8Array> {
  const file = await open(path).catch((error: unknown) => refuse(path, error));
  try {
    const buffer = Buffer.allocUnsafeSlow(STREAM_CHUNK_BYTES);
    // Without a position it is read from where it stands, as a pipe has to be.
    let position = start > 0 ? start : null;
    for (;;) {
      const { bytesRead } = await file
        .read(buffer, 0, buffer.length, position)
        .catch((error: unknown) => refuse(path, error));
      if (bytesRead === 0) return;
      if (position !== null) position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function createFile(
  full: string,
  path: string,
  { restricted = false }: CreateOptions = {},
): Promise<PendingFile> {
  const pending = join(dirname(full), `${PENDING}${randomBytes(8).toString('hex')}`);
  const file = await orFull(full, async () => {
    await mkdir(dirname(full), { recursive: true });
    return open(pending, 'wx', restricted ? 0o600 : 0o666);
  });
  const digest = createHash('sha256');
  let bytes = 0;
  let open_ = true;
  return {
    async write(chunk) {
      digest.update(chunk);
      await orFull(full, async () => {
        for (let done = 0; done < chunk.length; )
          done += (await file.write(chunk, done, chunk.length - done)).bytesWritten;
      });
      bytes += chunk.length;
    },
    async commit(options) {
      // Some systems look for room only now.
      await orFull(full, async () => {
        if (options?.lasting !== false) await file.datasync();
        await file.close();
      });
      open_ = false;
      const info: FileInfo = { path, bytes, sha256: digest.digest('hex') };
      if (options?.ifVersion !== undefined) {
        const replaced = await replaceVersion(pending, full, options.ifVersion);
        return replaced ? info : undefined;
      }
      if (!options?.ifAbsent) {
        await rename(pending, full);
        return info;
      }
      try {
        // A link fails where the name is taken, which a rename does not: of two that race, one wins.
        await link(pending, full);
        return info;
      } catch (error) {
        if (isCode(error, 'EEXIST')) return undefined;
        throw error;
      } finally {
        await unlink(pending);
      }
    },
    async abort() {
      if (open_) await file.close();
      open_ = false;
      await rm(pending, { force: true });
    },
  };
}

/** Says which file a disk has no room for: what the system says does not. */
async function orFull<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = ['ENOSPC', 'EDQUOT'].find((full) => isCode(error, full));
    throw code ? new GleanerError('DISK_FULL', { path, problem: code }, { cause: error }) : error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function absent(error: unknown): undefined {
  if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
  throw error;
}

function refuse(path: string, error: unknown): never {
  if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR'))
    throw new GleanerError('FILE_NOT_FOUND', { path, hint: 'Check the name.' }, { cause: error });
  if (isCode(error, 'EISDIR'))
    throw new GleanerError('FILE_UNREADABLE', { path, problem: 'it is a folder' }, { cause: error });
  if (isCode(error, 'EACCES'))
    throw new GleanerError('FILE_UNREADABLE', { path, problem: 'permission denied' }, { cause: error });
  throw error;
}
