import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GleanerError } from '../../../schema/index.ts';
import { fileStorage, PENDING, type Storage, writeChunks } from '../../../storage/index.ts';
import type { Bundle } from '../fleet-spec.ts';

/** Copies on this machine, in bytes, above which those are removed that were used the longest time ago. */
const MAX_BYTES = 50e9;
/** What was used in this time, in milliseconds, is never removed: a process beside this one may be about to open it. */
const IN_USE_MS = 3_600_000;

export interface BundleCacheOptions {
  /** @default 50 GB */
  readonly maxBytes?: number;
}

/**
 * Copies of what runs name (models, lists, keys of earlier runs), in a folder that all workers of a machine share. A
 * copy has a name made of what it holds, and gets it when it is whole and its checksums were found to be right.
 */
export class BundleCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  /** One copy is made once by this process. */
  readonly #coming = new Map<string, Promise<string>>();

  constructor(folder: string, { maxBytes = MAX_BYTES }: BundleCacheOptions = {}) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Where the copy of a bundle lies, or is going to. */
  pathOf(bundle: Bundle): string {
    return join(this.#folder, nameOf(bundle), basename(bundle.stored));
  }

  /**
   * Brings a bundle to this machine where it is not there yet.
   *
   * @param storage of the run
   * @throws GleanerError DAMAGED where what lies there is not what was submitted; DISK_FULL; of the storage
   */
  async bring(storage: Storage, bundle: Bundle, signal: AbortSignal): Promise<string> {
    const name = nameOf(bundle);
    const coming = this.#coming.get(name) ?? this.#bring(storage, bundle, name, signal);
    this.#coming.set(name, coming);
    try {
      return await coming;
    } finally {
      this.#coming.delete(name);
    }
  }

  async #bring(storage: Storage, bundle: Bundle, name: string, signal: AbortSignal): Promise<string> {
    const folder = join(this.#folder, name);
    if (!(await markUsed(folder))) {
      const pending = `${PENDING}${randomBytes(8).toString('hex')}`;
      try {
        await this.#copy(storage, bundle, join(this.#folder, pending), signal);
        await rename(join(this.#folder, pending), folder);
      } catch (error) {
        await rm(join(this.#folder, pending), { recursive: true, force: true });
        // Another process was quicker: a folder takes no place that is taken.
        if (signal.aborted || !(await markUsed(folder))) throw error;
      }
      await this.#tidy();
    }
    return this.pathOf(bundle);
  }

  async #copy(storage: Storage, bundle: Bundle, folder: string, signal: AbortSignal): Promise<void> {
    const target = fileStorage(folder);
    for (const { path, bytes, sha256 } of bundle.files) {
      const part = path === '' ? '' : `/${path}`;
      const file = await target.create(`${basename(bundle.stored)}${part}`, { restricted: true });
      const written = await writeChunks(file, storage.stream(`${bundle.stored}${part}`), signal);
      // In a folder that goes, whole, with the error.
      if (written?.sha256 !== sha256 || written.bytes !== bytes)
        throw new GleanerError('DAMAGED', {
          path: `${storage.location}/${bundle.stored}${part}`,
          problem: `is not what was submitted as ${bundle.named}. Submit the run again.`,
        });
    }
    // A run's folder with nothing in it that is wanted.
    await mkdir(join(folder, basename(bundle.stored)), { recursive: true }).catch(() => undefined);
  }

  /** Removes what was used the longest time ago, until the rest is small enough, and what killed processes left. */
  async #tidy(): Promise<void> {
    const now = Date.now();
    const found = [];
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const used = await stat(path).catch(() => undefined);
      if (used?.isDirectory())
        found.push({ path, name, usedMs: used.mtimeMs, bytes: await bytesBelow(path) });
    }
    let bytes = found.reduce((sum, one) => sum + one.bytes, 0);
    for (const one of found.sort((a, b) => a.usedMs - b.usedMs)) {
      if (now - one.usedMs < IN_USE_MS) return;
      if (bytes <= this.#maxBytes && !one.name.startsWith(PENDING)) continue;
      await rm(one.path, { recursive: true, force: true });
      bytes -= one.bytes;
    }
  }
}

/** Of all files and of what it is called. */
function nameOf({ stored, files }: Bundle): string {
  return createHash('sha256')
    .update(JSON.stringify([basename(stored), files]))
    .digest('hex');
}

/** @returns whether there is such a folder */
async function markUsed(folder: string): Promise<boolean> {
  const now = new Date();
  return utimes(folder, now, now).then(
    () => true,
    () => false,
  );
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries)
    if (entry.isFile())
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}
