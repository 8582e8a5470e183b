import { z } from 'zod';
import type { WorkerRow } from './snapshot.ts';
import type { WorkerState, WorkerStatus } from './types.ts';

/** A worker that was silent for longer, in seconds, is lost: it says every 10 s that it is there. */
const LOST_SECONDS = 60;

const doingSchema = z.record(
  z.string(),
  z.object({ tasks: z.number().catch(0), done: z.number().catch(0), per_second: z.number().catch(0) }),
);

/** What the live workers do of one stage, together. */
export interface StageWork {
  readonly tasks: number;
  /** Of the tasks under way. */
  readonly done: number;
  readonly perSecond: number;
}

export function workerState({ state, silent }: WorkerRow): WorkerState | 'gone' {
  return state !== 'gone' && silent > LOST_SECONDS ? 'lost' : state;
}

export function isLive(row: WorkerRow): boolean {
  return ['working', 'idle'].includes(workerState(row));
}

/** What a worker says that it does, by stage; nothing where it says what cannot be read. */
function workOf({ doing }: WorkerRow): z.infer<typeof doingSchema> {
  return doingSchema.safeParse(doing).data ?? {};
}

/** By stage; of workers that were heard of. */
export function workByStage(rows: readonly WorkerRow[]): ReadonlyMap<string, StageWork> {
  const stages = new Map<string, StageWork>();
  for (const row of rows) {
    if (!isLive(row) && workerState(row) !== 'draining') continue;
    for (const [stage, { tasks, done, per_second }] of Object.entries(workOf(row))) {
      const sum = stages.get(stage) ?? { tasks: 0, done: 0, perSecond: 0 };
      stages.set(stage, {
        tasks: sum.tasks + tasks,
        done: sum.done + done,
        perSecond: sum.perSecond + per_second,
      });
    }
  }
  return stages;
}

/** Null for one that went by itself. */
export function workerStatus(row: WorkerRow): WorkerStatus | null {
  const state = workerState(row);
  if (state === 'gone') return null;
  const doing =
    state === 'lost' ? [] : Object.entries(workOf(row)).map(([stage, work]) => [stage, work.per_second]);
  return {
    name: row.name,
    host: row.host,
    kind: row.kind,
    state,
    stages: row.stages,
    gpu: row.gpu,
    slots: row.slots,
    busy: state === 'lost' ? 0 : row.busy,
    memoryBytes: row.memory_bytes,
    memoryLimitBytes: row.memory_limit_bytes,
    doing: Object.fromEntries(doing),
    seenSecondsAgo: row.silent,
  };
}
