import type { StageRow, UnderWayRow } from './snapshot.ts';
import { NOTHING, type StageTally } from './tally.ts';
import type { StageStatus } from './types.ts';

export interface StageInput {
  readonly row: StageRow;
  readonly tally: StageTally | undefined;
  /** Of this stage of this run. */
  readonly underWay: readonly UnderWayRow[];
  /** Tasks of the stage before that each have to be done before one of this: of what is fetched apart. */
  readonly before: number;
  /** What workers say, in things a second; null where they say nothing. */
  readonly saidPerSecond: number | null;
  /** As they were counted a minute ago and now; null where that is not known. */
  readonly inPerSecond: number | null;
  readonly tasksPerSecond: number | null;
  readonly isCancelled: boolean;
  /** Whether any worker lives: without one nothing goes on at the rate that was. */
  readonly isServed: boolean;
  readonly at: Date;
}

/** Where a stage is. Free tasks are those of which nothing else is known. */
export function stageStatus(input: StageInput): StageStatus {
  const { row, tally = NOTHING, underWay, isCancelled, before } = input;
  const count = (is: (row: UnderWayRow) => boolean) =>
    underWay.reduce((sum, group) => sum + (is(group) ? group.tasks : 0), 0);
  const done = Math.min(row.tasks, row.done_before + tally.tasks);
  const active = count(({ state }) => state === 'active');
  const waiting = count(({ state, later }) => state === 'retry' && later);
  const dead = count(({ state }) => state === 'failed');
  const open = isCancelled ? 0 : Math.max(0, row.tasks - done - active - waiting - dead);
  const blocked = Math.min(open, before);
  const isOver = row.finished_at !== null || isCancelled || done === row.tasks;
  const speed = isOver ? undefined : speedOf(input, row.tasks - done, active);
  return {
    stage: row.stage,
    unit: UNITS[row.stage] ?? 'pairs',
    ...{ tasks: row.tasks, done, doneBefore: row.done_before, active },
    ...{ queued: open - blocked, blocked, waiting, dead },
    in: tally.in,
    out: tally.out,
    perSecond: speed?.perSecond ?? null,
    share: row.tasks === 0 ? 1 : done / row.tasks,
    etaSeconds: speed?.etaSeconds ?? null,
    taskSeconds: tally.seconds,
    cpuSeconds: tally.cpuSeconds,
    finishedAt: row.finished_at?.toISOString() ?? null,
  };
}

/** What the first step of a stage counts, where it is no pairs. */
const UNITS: Readonly<Record<string, string>> = {
  extract: 'links',
  near: 'rows',
  select: 'rows',
  release: 'rows',
  trail: 'files',
  report: 'files',
};

/**
 * By what workers say where they say something, else by what was counted over the last minute, else since the stage was planned.
 * Tasks under way are taken to be half done.
 *
 * @param left tasks that are not done
 */
function speedOf(
  { row, tally = NOTHING, saidPerSecond, at, isServed, ...rates }: StageInput,
  left: number,
  active: number,
): { readonly perSecond: number | null; readonly etaSeconds: number | null } {
  const seconds = row.planned_at ? (at.getTime() - row.planned_at.getTime()) / 1000 : 0;
  const average = (n: number) => (isServed && n > 0 && seconds > 0 ? n / seconds : null);
  const counted = rates.inPerSecond ?? (tally.in === null ? null : average(tally.in));
  const perSecond = saidPerSecond ?? counted;
  const perTask = tally.tasks > 0 && tally.in !== null ? tally.in / tally.tasks : 0;
  const tasksPerSecond =
    perTask > 0 && perSecond !== null ? perSecond / perTask : (rates.tasksPerSecond ?? average(tally.tasks));
  return { perSecond, etaSeconds: tasksPerSecond ? (left - active / 2) / tasksPerSecond : null };
}
