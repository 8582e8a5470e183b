import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { type Held, takeLease } from './lease.ts';

/** Folders that this process works in, or is about to. */
const held = new Set<string>();

/**
 * Keeps a second process out of the root of a run; a folder is made where there is none.
 * @throws GleanerError RUN_LOCKED
 */
export async function lockRoot(storage: Storage): Promise<Held> {
  if (storage.kind === 's3') return takeLease(storage);
  await mkdir(storage.location, { recursive: true });
  return { lost: new AbortController().signal, release: await lockFolder(storage.location) };
}

/**
 * Keeps a second process out of a local folder. The lock of a process that was killed is taken over.
 *
 * @returns what gives the folder free again
 * @throws GleanerError RUN_LOCKED
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const key = resolve(folder);
  if (held.has(key)) throw new GleanerError('RUN_LOCKED', { path: folder, pid: process.pid });
  held.add(key);
  try {
    const path = await takeLock(folder);
    return async () => {
      await rm(path, { force: true });
      held.delete(key);
    };
  } catch (error) {
    held.delete(key);
    throw error;
  }
}

async function takeLock(folder: string): Promise<string> {
  const path = join(folder, '.lock');
  // Filled first and then linked to its name: nobody ever sees an empty lock.
  const filled = `${path}-${randomBytes(8).toString('hex')}`;
  await writeFile(filled, JSON.stringify({ pid: process.pid, host: hostname() }));
  try {
    while (!(await linked(filled, path))) {
      const holder = await readHolder(path);
      if (holder && isRunning(holder))
        throw new GleanerError('RUN_LOCKED', { path: folder, pid: holder.pid });
      await removeStale(path);
    }
    return path;
  } finally {
    await rm(filled, { force: true });
  }
}

/**
 * Takes away the lock of a process that is gone. Another process may have done so too and locked the folder since:
 * what was taken away is looked at again, and given back where it is alive.
 */
async function removeStale(path: string): Promise<void> {
  const taken = `${path}-${randomBytes(8).toString('hex')}`;
  try {
    await rename(path, taken);
  } catch {
    return; // Somebody else was quicker.
  }
  const holder = await readHolder(taken);
  if (holder && isRunning(holder)) await linked(taken, path);
  await rm(taken, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

interface Holder {
  readonly pid: number;
  readonly host: string;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('host' in value))
      return undefined;
    return typeof value.pid === 'number' && typeof value.host === 'string'
      ? { pid: value.pid, host: value.host }
      : undefined;
  } catch {
    return undefined; // Gone by now, or no lock of ours.
  }
}

export function isRunning({ pid, host }: Holder): boolean {
  if (host !== hostname()) return true; // Another machine on a shared folder: cannot be asked, so it is believed.
  // This process holds no lock of this folder, or it would not ask: so the number is used again, by chance ours.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
