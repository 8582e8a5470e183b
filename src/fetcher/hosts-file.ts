import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { ResolvedAddress } from './resolve.ts';

/** Where the operating system keeps the names that no server knows. */
export const HOSTS_FILE =
  process.platform === 'win32'
    ? join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'drivers', 'etc', 'hosts')
    : '/etc/hosts';

/** Addresses by name, in lower case; empty where the file cannot be read. hosts(5). */
export function readHostsFile(path: string): ReadonlyMap<string, readonly ResolvedAddress[]> {
  const found = new Map<string, ResolvedAddress[]>();
  for (const line of textOf(path).split('\n')) {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    const family = isIP(address);
    if (family !== 4 && family !== 6) continue;
    for (const name of names.map((n) => n.toLowerCase()))
      found.set(name, [...(found.get(name) ?? []), { address, family }]);
  }
  return found;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
