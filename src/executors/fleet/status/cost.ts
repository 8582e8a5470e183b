import type { StageTally } from './tally.ts';
import type { Prices, RunCost } from './types.ts';

const HOUR_SECONDS = 3600;

export interface CostInput {
  readonly stages: readonly { readonly tally: StageTally; readonly tasksLeft: number }[];
  /** GPU time of the run so far, in seconds. */
  readonly gpuSeconds: number;
  readonly prices: Prices;
}

/** What a run has taken, and what the stages that have been planned take at the rate so far. */
export function costOf({ stages, gpuSeconds, prices }: CostInput): RunCost {
  const cpuHours = stages.reduce((sum, { tally }) => sum + tally.cpuSeconds, 0) / HOUR_SECONDS;
  const gpuHours = gpuSeconds / HOUR_SECONDS;
  const open = stages.filter(({ tasksLeft }) => tasksLeft > 0);
  const known = open.every(({ tally }) => tally.tasks > 0);
  const of = (each: (tally: StageTally) => number) =>
    open.reduce((sum, { tally, tasksLeft }) => sum + (each(tally) / tally.tasks) * tasksLeft, 0) /
    HOUR_SECONDS;
  const cpuHoursLeft = known ? of(({ cpuSeconds }) => cpuSeconds) : null;
  // As much GPU for a second of tasks as so far.
  const seconds = stages.reduce((sum, { tally }) => sum + tally.seconds, 0);
  const gpuHoursLeft = known && seconds > 0 ? of((tally) => tally.seconds) * (gpuSeconds / seconds) : 0;
  const { cpuHour, gpuHour } = prices;
  const isPriced = cpuHour !== undefined || gpuHour !== undefined;
  const price = (cpu: number, gpu: number) => cpu * (cpuHour ?? 0) + gpu * (gpuHour ?? 0);
  return {
    cpuHours,
    gpuHours,
    soFar: isPriced ? price(cpuHours, gpuHours) : null,
    cpuHoursLeft,
    left: isPriced && cpuHoursLeft !== null ? price(cpuHoursLeft, gpuHoursLeft) : null,
  };
}
