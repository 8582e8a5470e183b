import type { StageName } from '../../../pipeline/index.ts';

const MIB = 1 << 20;

/** What a worker itself takes before it has a task, in bytes: VmHWM of `gleaner worker --workers 1` without one, 2026-11-22: 166 MiB. */
export const WORKER_BYTES = 170 * MIB;

/**
 * Memory that one task of a stage takes at its peak, in bytes. Measured on processes that do this and nothing else
 * (docs/benchmarks.md), so that the first has what several threads share; what a run takes more of, its worker sees.
 */
const STAGE_BYTES: Readonly<Record<StageName, number>> = {
  extract: 250 * MIB, // a worker with 84 MB of WAT: 315 MiB, of which 166 are the worker's
  dedup: 350 * MIB, // npm run bench -- dedup --pairs 50000000: the whole process, a bucket of the default size
  fetch: 250 * MIB, // as extract: bodies that wait are bounded by 16 MiB (src/stages/intake.ts)
  harvest: 1_100 * MIB, // gleaner run with ViT-B/32, fp32: a process, its model and a batch of 64
  near: 700 * MIB, // npm run bench -- near: at most, whatever the number of rows
  select: 250 * MIB,
  release: 350 * MIB,
  trail: 250 * MIB,
  report: 350 * MIB,
};

/**
 * How many tasks a worker does side by side.
 *
 * @param workers at most
 * @param limitBytes memory that it may take
 * @returns at least 1: whatever happens, it goes on with less, and a task that needs more is told of
 */
export function slotsFor(stages: readonly StageName[], workers: number, limitBytes: number): number {
  const most = Math.max(...stages.map((stage) => STAGE_BYTES[stage]));
  return Math.max(1, Math.min(workers, Math.floor((limitBytes - WORKER_BYTES) / most)));
}
