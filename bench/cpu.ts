import { existsSync, readFileSync } from 'node:fs';

/** Of this process, and of the processes that it began and that have ended: harvest's, when a stage is over. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  const [children = 0, childrenInSystem = 0] = existsSync('/proc/self/stat')
    ? readFileSync('/proc/self/stat', 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .slice(13, 15)
        .map(Number)
    : [];
  // In hundredths of a second: USER_HZ, proc(5).
  return (user + system) / 1e6 + (children + childrenInSystem) / 100;
}
