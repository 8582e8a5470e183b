import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TreeMeasure {
  /** User and system time of the process and all that it began, in seconds. */
  readonly cpu: number;
  readonly wall: number;
  /** Peak of the resident memory of all of them together, in MB; pages that they share count once. */
  readonly peakMB: number;
  /** The same where they count for each. */
  readonly peakRssMB: number;
}

/** How often memory is looked at, in milliseconds. */
const LOOK_EVERY_MS = 250;

/** Runs a command to its end, with whatever processes it begins. Linux alone: memory is read from /proc. */
export async function measureTree(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onStderr: (text: string) => void = () => undefined,
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
    onStderr(String(text));
  });
  let peakMB = 0;
  let peakRssMB = 0;
  let running = true;
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('error', reject).on('close', resolve),
  ).finally(() => {
    running = false;
  });
  while (running) {
    const { rss, pss } = residentBytes(child.pid ?? 0);
    peakMB = Math.max(peakMB, pss / 1e6);
    peakRssMB = Math.max(peakRssMB, rss / 1e6);
    await Promise.race([ended, sleep(LOOK_EVERY_MS)]);
  }
  const status = await ended;
  const wall = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${said}`);
  const [user = 0, system = 0] = (await readFile(log, 'utf8')).trim().split(' ').map(Number);
  await rm(log);
  return { cpu: user + system, wall, peakMB, peakRssMB };
}

/** Of all processes below `root`, with or without itself. Linux alone: elsewhere 0. */
export function residentBytes(root: number, itself = false): { readonly rss: number; readonly pss: number } {
  const parents = new Map<number, number>();
  if (!existsSync('/proc/self/smaps_rollup')) return { rss: 0, pss: 0 };
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : undefined;
    if (stat) parents.set(Number(name), Number(stat.replace(/^.*\) /s, '').split(' ')[1]));
  }
  const sum = { rss: 0, pss: 0 };
  for (const pid of parents.keys()) {
    let at = pid;
    while (at > 1 && at !== root) at = parents.get(at) ?? 0;
    if (at !== root || (pid === root && !itself)) continue;
    const rollup = read(`/proc/${pid}/smaps_rollup`) ?? '';
    sum.rss += kilobytes(rollup, 'Rss');
    sum.pss += kilobytes(rollup, 'Pss');
  }
  return sum;
}

function kilobytes(rollup: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024;
}

/** @returns undefined of a process that has ended meanwhile */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
