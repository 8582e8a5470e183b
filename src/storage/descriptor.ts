import { readSync, writeSync } from 'node:fs';

/** Reads and writes that are larger than this are parted: one call moves 2 GiB at most. */
const MOST_BYTES = 64 << 20;

/**
 * Fills `bytes` from a place of an open file, by reads that wait.
 *
 * @param fd of the file
 * @param position in bytes from its beginning
 * @returns whether there were so many
 */
export function readFull(fd: number, bytes: Uint8Array, position: number): boolean {
  for (let done = 0; done < bytes.length; ) {
    const some = readSync(fd, bytes, done, Math.min(MOST_BYTES, bytes.length - done), position + done);
    if (some === 0) return false;
    done += some;
  }
  return true;
}

/**
 * Writes all of `bytes` to an open file, by writes that wait.
 *
 * @param fd of the file
 * @param position in bytes from its beginning; null: behind what was written last
 */
export function writeFull(fd: number, bytes: Uint8Array, position: number | null): void {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(MOST_BYTES, bytes.length - done);
    done += writeSync(fd, bytes, done, length, position === null ? null : position + done);
  }
}
