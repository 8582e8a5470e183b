import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TreeMeasure {
  /** User and system time of the process and all that it began, in seconds. */
  readonly cpu: number;
  readonly wall: number;
  /** Peak of the resident memory of all of them together, in MB; pages that they share count for each. */
  readonly peakMB: number;
}

/** How often memory is looked at, in milliseconds. */
const LOOK_EVERY_MS = 100;

/** Runs a command to its end, with whatever processes it begins. Linux alone: memory is read from /proc. */
export async function measureTree(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<TreeMeasure> {
  const log = join(tmpdir(), `gleaner-bench-${process.pid}.time`);
  const began = performance.now();
  const child = spawn('/usr/bin/time', ['-f', '%U %S', '-o', log, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-2000);
  });
  let peak = 0;
  let running = true;
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('error', reject).on('close', resolve),
  ).finally(() => {
    running = false;
  });
  while (running) {
    peak = Math.max(peak, residentBytes(child.pid ?? 0));
    await Promise.race([ended, sleep(LOOK_EVERY_MS)]);
  }
  const status = await ended;
  const wall = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${said}`);
  const [user = 0, system = 0] = (await readFile(log, 'utf8')).trim().split(' ').map(Number);
  await rm(log);
  return { cpu: user + system, wall, peakMB: peak / 1e6 };
}

/** Of all processes below `root`, without itself, which is time(1). */
function residentBytes(root: number): number {
  const parents = new Map<number, { readonly parent: number; readonly bytes: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      parents.set(Number(name), { parent: Number(fields[1]), bytes: Number(fields[21]) * 4096 });
    } catch {
      // Ended meanwhile.
    }
  }
  let sum = 0;
  for (const [pid, { bytes }] of parents) {
    let at = pid;
    while (at > 1 && at !== root) at = parents.get(at)?.parent ?? 0;
    if (at === root && pid !== root) sum += bytes;
  }
  return sum;
}
