import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A path in the folder of shared test data beside the checkout; undefined, with a message, where it is absent. */
export function sharedData(path: string): string | undefined {
  const full = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  if (existsSync(full)) return full;
  console.warn(`skipped: no ../shared/${path}`);
  return undefined;
}

/** Regular files of a tar, by its 512-byte headers (POSIX ustar; long names of GNU tar are skipped over). */
export function tarFiles(tar: Buffer): { name: string; bytes: Buffer }[] {
  const files = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const field = (from: number, to: number) =>
      tar.toString('latin1', at + from, at + to).replace(/\0.*$/s, '');
    const size = Number.parseInt(field(124, 136), 8);
    const type = field(156, 157);
    const prefix = field(257, 262) === 'ustar' ? field(345, 500) : '';
    if (type === '0' || type === '')
      files.push({
        name: prefix ? `${prefix}/${field(0, 100)}` : field(0, 100),
        bytes: tar.subarray(at + 512, at + 512 + size),
      });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
