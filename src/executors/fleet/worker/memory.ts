import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { constrainedMemory, platform } from 'node:process';
import { promisify } from 'node:util';

/** Pages of Linux are of so many bytes wherever Node's own binaries run (x64, arm64). */
const PAGE_BYTES = 4096;

/** Memory that this process may take, in bytes: the limit of its cgroup (version 1 or 2), else all that the machine has. */
export function memoryOfMachine(): number {
  // Without a limit it is 0, or a number that no machine has.
  const limit = constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * Resident memory of processes, in bytes; none of one that is gone. Pages that processes share, their program above all, count
 * for each.
 */
export async function residentBytes(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  if (pids.length === 0) return found;
  if (platform === 'linux') {
    for (const pid of pids) {
      // proc(5): size, resident, shared, ... in pages.
      const fields = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '');
      const pages = Number(fields.split(' ')[1]);
      if (pages > 0) found.set(pid, pages * PAGE_BYTES);
    }
    return found;
  }
  // Where there is no ps, as on Windows, a worker knows its own memory only.
  const list = await promisify(execFile)('ps', ['-o', 'pid=,rss=', '-p', pids.join(',')]).catch(
    () => undefined,
  );
  for (const line of list?.stdout.split('\n') ?? []) {
    const [pid, kib] = line.trim().split(/\s+/).map(Number);
    if (pid && kib) found.set(pid, kib * 1024);
  }
  return found;
}
