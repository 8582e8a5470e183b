import type pg from 'pg';
import type { Database, Sql } from '../database.ts';

/** Runs that have ended are told of so many. */
const ENDED_RUNS = 10;
/** Problems are read of so many tasks at most. */
const PROBLEMS_READ = 5_000;
/** Longest problem that is told, in characters. */
const PROBLEM_CHARS = 300;
/** Volunteers that are told of. */
const VOLUNTEERS = 100;

export interface RunRow {
  readonly id: string;
  readonly name: string;
  readonly location: string;
  readonly state: 'running' | 'done' | 'cancelled';
  readonly priority: number;
  readonly submitted_at: Date;
  readonly finished_at: Date | null;
}

export interface StageRow {
  readonly run: string;
  readonly stage: string;
  readonly tasks: number;
  readonly done_before: number;
  /** Null while its tasks are still being sent. */
  readonly planned_at: Date | null;
  readonly finished_at: Date | null;
}

export interface TallyRow {
  readonly run: string;
  readonly stage: string;
  readonly worker: string;
  readonly tasks: number;
  readonly seconds: number;
  readonly cpu_seconds: number;
  readonly ledgers: unknown;
}

/** Tasks of one run in one queue that are not simply free or done. */
export interface UnderWayRow {
  readonly run: string;
  readonly queue: string;
  readonly stage: string;
  readonly state: 'active' | 'retry' | 'failed';
  /** Of `retry`: not yet. */
  readonly later: boolean;
  readonly tasks: number;
}

export interface ProblemRow {
  readonly run: string;
  readonly queue: string;
  readonly stage: string;
  readonly state: 'active' | 'retry' | 'failed';
  readonly index: number;
  readonly problem: string;
}

export interface WorkerRow {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly kind: 'trusted' | 'volunteer';
  readonly stages: readonly string[];
  readonly gpu: boolean;
  readonly slots: number;
  readonly busy: number;
  readonly memory_bytes: number;
  readonly memory_limit_bytes: number;
  readonly state: 'working' | 'idle' | 'draining' | 'gone';
  readonly doing: unknown;
  /** Seconds since it was heard of, and that it was there. */
  readonly silent: number;
  readonly there: number;
}

export interface VolunteerRow {
  readonly name: string;
  readonly tasks: number;
  readonly pairs: number;
  readonly since: Date;
}

/** All that a status is made of, as the database was at one moment. */
export interface Snapshot {
  readonly at: Date;
  readonly runs: readonly RunRow[];
  readonly stages: readonly StageRow[];
  readonly tallies: readonly TallyRow[];
  readonly underWay: readonly UnderWayRow[];
  readonly problems: readonly ProblemRow[];
  readonly workers: readonly WorkerRow[];
  readonly volunteers: readonly VolunteerRow[];
  /** Queues of harvest in which tasks are free, of any run. */
  readonly harvestQueues: readonly string[];
}

/**
 * Reads it in one transaction that sees nothing of what others change meanwhile. Free and finished tasks, of which there may be
 * millions, are not looked at: `gleaner.stage` and `gleaner.tally` have their numbers.
 *
 * @param run only this one. @default all under way, and the last that ended
 * @param known stages, as 'run stage', whose tallies are not needed: they are done
 */
export async function readSnapshot(
  database: Database,
  run?: string,
  known: readonly string[] = [],
): Promise<Snapshot> {
  return database.transaction(async (sql) => {
    await sql.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const runs = await readRuns(sql, run);
    const ids = runs.map(({ id }) => id);
    const of = <R extends pg.QueryResultRow>(text: string, ...more: readonly unknown[]) =>
      sql.query<R>(text, [ids, ...more]);
    const [clock] = await sql.query<{ at: Date }>('SELECT now() AS at');
    return {
      at: clock?.at ?? new Date(),
      runs,
      stages: await of<StageRow>(STAGES_SQL),
      tallies: await of<TallyRow>(TALLIES_SQL, known),
      underWay: await of<UnderWayRow>(UNDER_WAY_SQL),
      problems: await of<ProblemRow>(PROBLEMS_SQL, PROBLEM_CHARS, PROBLEMS_READ),
      workers: await sql.query<WorkerRow>(WORKERS_SQL),
      volunteers: await sql.query<VolunteerRow>(VOLUNTEERS_SQL, [VOLUNTEERS]),
      harvestQueues: (await sql.query<{ name: string }>(HARVEST_SQL)).map(({ name }) => name),
    };
  });
}

function readRuns(sql: Sql, run: string | undefined): Promise<readonly RunRow[]> {
  const columns = 'id, name, location, state, priority, submitted_at, finished_at';
  if (run !== undefined) return sql.query<RunRow>(`SELECT ${columns} FROM gleaner.run WHERE id = $1`, [run]);
  return sql.query<RunRow>(
    `(SELECT ${columns} FROM gleaner.run WHERE state = 'running' ORDER BY priority DESC, submitted_at, id)
     UNION ALL
     (SELECT ${columns} FROM gleaner.run WHERE state <> 'running'
      ORDER BY coalesce(finished_at, submitted_at) DESC LIMIT $1)`,
    [ENDED_RUNS],
  );
}

const STAGES_SQL = `SELECT run, stage, tasks, done_before, planned_at, finished_at FROM gleaner.stage
  WHERE run = ANY($1)`;

const TALLIES_SQL = `SELECT run, stage, worker, tasks::float8, seconds, cpu_seconds, ledgers FROM gleaner.tally
  WHERE run = ANY($1) AND NOT (run || ' ' || stage = ANY($2))`;

// By the index gleaner_under_way: the conditions are written as it has them.
const UNDER_WAY = `pgboss.job WHERE state IN ('retry', 'active', 'failed') AND data->>'run' = ANY($1)`;

const UNDER_WAY_SQL = `SELECT data->>'run' AS run, name AS queue, data->>'stage' AS stage, state,
    state = 'retry' AND start_after > now() AS later, count(*)::float8 AS tasks
  FROM ${UNDER_WAY} GROUP BY 1, 2, 3, 4, 5`;

// What fails by itself has its message in another place than what a worker says.
const PROBLEMS_SQL = `SELECT data->>'run' AS run, name AS queue, data->>'stage' AS stage, state,
    (data->>'index')::int AS index,
    left(coalesce(output->>'message', output->'value'->>'message', 'no reason is known'), $2) AS problem
  FROM ${UNDER_WAY} AND (state = 'failed' OR state = 'retry' AND output IS NOT NULL) LIMIT $3`;

/** Those that went by themselves are no more; those that were lost are told of for a day. */
const WORKERS_SQL = `SELECT id, name, host, kind, stages, gpu, slots, busy, memory_bytes::float8, memory_limit_bytes::float8,
    state, doing, extract(epoch FROM now() - seen_at)::float8 AS silent,
    extract(epoch FROM seen_at - started_at)::float8 AS there
  FROM gleaner.worker WHERE gpu OR state <> 'gone' AND seen_at > now() - interval '1 day' ORDER BY name, id`;

const VOLUNTEERS_SQL = `SELECT w.name, coalesce(sum(t.tasks), 0)::float8 AS tasks,
    coalesce(sum((t.ledgers#>>'{fetched,in}')::bigint), 0)::float8 AS pairs, min(w.started_at) AS since
  FROM gleaner.worker w LEFT JOIN gleaner.tally t ON t.worker = w.id
  WHERE w.kind = 'volunteer' GROUP BY w.name ORDER BY pairs DESC, tasks DESC, w.name LIMIT $1`;

// By the index that pg-boss fetches by, which gives the first one at once; asked for both in one join it would read them all.
const HARVEST_SQL = ['harvest', 'harvest-gpu']
  .map(
    (name) => `SELECT '${name}' AS name
      WHERE EXISTS (SELECT FROM pgboss.job WHERE name = '${name}' AND state < 'active' AND NOT blocked)`,
  )
  .join(' UNION ALL ');
