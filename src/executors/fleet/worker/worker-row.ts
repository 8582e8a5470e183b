import type { StageName } from '../../../pipeline/index.ts';
import type { Sql } from '../database.ts';

/** What does not change of a worker while it lives. */
export interface WorkerIdentity {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly stages: readonly StageName[];
  readonly gpu: boolean;
  readonly version: string;
  readonly memoryLimitBytes: number;
}

/** What a worker does of a stage. */
export interface Doing {
  /** Under way now. */
  readonly tasks: number;
  /** Things (links, pairs, rows, files) done since it began. */
  readonly done: number;
  /** Of these, a second, lately. */
  readonly per_second: number;
}

/** How a worker is now. */
export interface WorkerState {
  readonly state: 'working' | 'idle' | 'draining' | 'gone';
  readonly slots: number;
  readonly busy: number;
  readonly memoryBytes: number;
  readonly doing: Readonly<Record<string, Doing>>;
}

/** Writes down that a worker is there, and how it is. Its times are the database's. */
export async function writeWorker(sql: Sql, worker: WorkerIdentity, now: WorkerState): Promise<void> {
  const { id, name, host, pid, stages, gpu, version, memoryLimitBytes } = worker;
  const { state, slots, busy, memoryBytes, doing } = now;
  await sql.query(
    `INSERT INTO gleaner.worker (id, name, host, pid, stages, gpu, version, memory_limit_bytes,
       slots, busy, memory_bytes, state, doing)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (id) DO UPDATE SET slots = $9, busy = $10, memory_bytes = $11, state = $12, doing = $13,
       seen_at = now()`,
    [
      ...[id, name, host, pid, stages, gpu, version, memoryLimitBytes],
      ...[slots, busy, memoryBytes, state, JSON.stringify(doing)],
    ],
  );
}

/** A worker that was not seen for so long is lost, in seconds. */
const LOST_SECONDS = 60;

/** Slots of all live workers of the fleet that may ask the web for images. */
export async function slotsThatFetch(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ slots: string }>(
    `SELECT coalesce(sum(slots), 0) AS slots FROM gleaner.worker
     WHERE state <> 'gone' AND seen_at > now() - $1 * interval '1 s' AND stages && ARRAY['harvest', 'fetch']`,
    [LOST_SECONDS],
  );
  return Number(row?.slots ?? 0);
}
