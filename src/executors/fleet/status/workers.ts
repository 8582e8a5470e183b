import { z } from 'zod';
import type { WorkerRow } from './snapshot.ts';
import type { WorkerState, WorkerStatus } from './types.ts';

/** A worker that was silent for longer, in seconds, is lost: it says every 10 s that it is there. */
const LOST_SECONDS = 60;

const doingSchema = z.record(z.string(), z.object({ per_second: z.number().min(0).catch(0) }));

function workerState({ state, silent }: WorkerRow): WorkerState | 'gone' {
  return state !== 'gone' && silent > LOST_SECONDS ? 'lost' : state;
}

export function isLive(row: WorkerRow): boolean {
  return ['working', 'idle'].includes(workerState(row));
}

/** What a worker says that it does, by stage; nothing where it says what cannot be read. */
function workOf({ doing }: WorkerRow): z.infer<typeof doingSchema> {
  return doingSchema.safeParse(doing).data ?? {};
}

/** Things a second by stage, of all workers that were heard of. */
export function speedByStage(rows: readonly WorkerRow[]): ReadonlyMap<string, number> {
  const speeds = new Map<string, number>();
  for (const row of rows) {
    if (!isLive(row) && workerState(row) !== 'draining') continue;
    for (const [stage, { per_second }] of Object.entries(workOf(row)))
      speeds.set(stage, (speeds.get(stage) ?? 0) + per_second);
  }
  return speeds;
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
