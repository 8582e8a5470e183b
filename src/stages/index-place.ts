import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/*
 * How a new index takes the place of the one in DIR/index. It is made in a folder of its own, whole; gets the name of the
 * next one; the old one goes; the next one gets its place. Killed between the last two, DIR has no index but the next:
 * whoever looks for one gives it its place (`restoreIndex`).
 */

/** Begins the name of a folder in which an index is being made; machine, process and a random number follow. */
const BUILDING = '.index-building-';
/** A whole index that is about to take the place of the old one. */
const NEXT = '.index-next';
const PLACE = 'index';

/** A name for a folder in which an index is made. */
export function buildingName(): string {
  return `${BUILDING}${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what killed builds of this machine left. */
export async function sweepIndices(root: string): Promise<void> {
  const prefix = `${BUILDING}${hostname()}-`;
  for (const name of await readdir(root)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isInteger(pid) && !isRunning(pid))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Puts a new index, whole, in the place of the old. A service that has the old one open keeps its files. */
export async function takePlace(root: string, building: string): Promise<void> {
  // Whoever else builds at once may have put his there first.
  while (!(await renamed(join(root, building), join(root, NEXT), ['ENOTEMPTY', 'EEXIST'])))
    await finishPlace(root);
  await finishPlace(root);
}

/** Gives an index that was about to take its place, and was stopped, that place. For who may change the index. */
export async function finishPlace(root: string): Promise<void> {
  const old = join(root, `${buildingName()}-old`);
  for (;;) {
    await restoreIndex(root);
    if (!(await isThere(join(root, NEXT)))) break;
    await renamed(join(root, PLACE), old, ['ENOENT']);
    await restoreIndex(root);
    // Another was quicker, and what went away was its new one.
    if (!(await isThere(join(root, PLACE))))
      await renamed(old, join(root, PLACE), ['ENOENT', 'ENOTEMPTY', 'EEXIST']);
    await rm(old, { recursive: true, force: true });
  }
}

/** Gives the next index its place where there is none. For everybody: no index goes by it. */
export async function restoreIndex(root: string): Promise<void> {
  const [next, place] = [join(root, NEXT), join(root, PLACE)];
  if (!(await isThere(place))) await renamed(next, place, ['ENOENT', 'ENOTEMPTY', 'EEXIST']);
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** @returns false where it failed with one of these codes */
async function renamed(from: string, to: string, codes: readonly string[]): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return false;
    throw error;
  }
}
