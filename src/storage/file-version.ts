import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Begins the name of what holds others back: `sweep` removes it as it does what is half-written. */
const TURN = '.pending-turn-';
/** How often it is looked whether it is one's turn, in milliseconds. */
const LOOK_MS = 10;
/** A turn takes a read of a small file and a rename: whose takes so long was killed. In milliseconds. */
const STALE_MS = 10_000;

/** What a small file holds, by its SHA-256; undefined where there is none. */
export async function versionOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(absent);
  return bytes && createHash('sha256').update(bytes).digest('hex');
}

/**
 * Gives a file the name of another where that is still of this version; the file goes in either case. Of several processes, of
 * several machines that see the folder, one after the other looks and replaces.
 * @returns whether it has the name
 */
export async function replaceVersion(pending: string, path: string, version: string): Promise<boolean> {
  const turn = join(dirname(path), TURN + basename(path));
  const mine = await takeTurn(turn);
  try {
    if ((await versionOf(path)) !== version) return false;
    // Where this process slept for so long that another took its turn.
    if ((await readTurn(turn)) !== mine) return false;
    await rename(pending, path);
    return true;
  } finally {
    await rm(pending, { force: true });
    if ((await readTurn(turn)) === mine) await rm(turn, { force: true });
  }
}

/** Waits for its turn. @returns what stands in the file of the turn */
async function takeTurn(turn: string): Promise<string> {
  const mine = randomBytes(8).toString('hex');
  let seen: { readonly holder: string; readonly at: number } | undefined;
  for (;;) {
    if (await madeTurn(turn, mine)) return mine;
    const holder = await readTurn(turn);
    // Of one that is gone, or is just being made, nothing is known.
    if (holder !== seen?.holder) seen = holder === undefined ? undefined : { holder, at: performance.now() };
    else if (seen && performance.now() - seen.at > STALE_MS) {
      const taken = `${turn}-${mine}`;
      await rename(turn, taken).catch(absent);
      await rm(taken, { force: true });
      seen = undefined;
    }
    await sleep(LOOK_MS);
  }
}

async function madeTurn(turn: string, mine: string): Promise<boolean> {
  try {
    const file = await open(turn, 'wx');
    await file.writeFile(mine);
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function readTurn(turn: string): Promise<string | undefined> {
  return readFile(turn, 'utf8').catch(absent);
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined;
  throw error;
}
