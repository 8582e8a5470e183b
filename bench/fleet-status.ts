/** What one look at a fleet costs, the database's side and ours: a queue of a million tasks, a thousand workers. Linux alone. */
import { readFileSync } from 'node:fs';
import { Database } from '../src/executors/fleet/database.ts';
import { FleetReader } from '../src/executors/fleet/status/index.ts';
import { startPostgres } from '../test/support/postgres.ts';

const TASKS = 1_000_000;
const WORKERS = 1_000;
const SLOTS = 8;
const LOOKS = 50;

const LEDGERS = JSON.stringify({
  fetched: {
    in: 6_000_000,
    out: 4_800_000,
    dropped: { dns: 300_000, timeout: 400_000, http_status: 500_000 },
  },
  image: { in: 4_800_000, out: 4_500_000, dropped: { body_small: 200_000, undecodable: 100_000 } },
  matched: { in: 4_500_000, out: 400_000, dropped: { similarity: 4_100_000 } },
  safe: { in: 400_000, out: 400_000, dropped: {} },
});
const DOING = JSON.stringify({ harvest: { tasks: SLOTS, done: 40_000, per_second: 61.2 } });

export async function bench(): Promise<void> {
  await using postgres = await startPostgres();
  await using database = await Database.open(postgres.url, { supervise: false, connections: 1 });
  await fill(database);
  const pids = (
    await database.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'gleaner'",
    )
  ).map(({ pid }) => pid);
  const line = async (name: string, reader: () => FleetReader) => {
    const first = reader();
    await first.read();
    const before = [process.cpuUsage(), ticks(pids)] as const;
    for (let n = 0; n < LOOKS; n++) await first.read();
    const { user, system } = process.cpuUsage(before[0]);
    const theirs = (ticks(pids) - before[1]) * 10;
    const [ours, database] = [(user + system) / 1000 / LOOKS, theirs / LOOKS];
    console.log(`${name}: ${ours.toFixed(1)} ms here, ${database.toFixed(1)} ms in the database, CPU a look`);
  };
  await line(`${TASKS} tasks, ${WORKERS} workers`, () => new FleetReader(database));
  const plan = await database.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, COSTS off) SELECT state, count(*) FROM pgboss.job
     WHERE state IN ('retry', 'active', 'failed') AND data->>'run' = ANY('{r}') GROUP BY 1`,
  );
  console.log(
    plan
      .map((row) => row['QUERY PLAN'])
      .filter((text) => /Index|Time/.test(text))
      .join('\n'),
  );
  const began = performance.now();
  await database.query("SELECT state, count(*) FROM pgboss.job WHERE data->>'run' = 'r' GROUP BY 1");
  console.log(`against counting all of them: ${Math.round(performance.now() - began)} ms (wall)`);
}

/** A run in its harvest: 600,000 tasks are done, 8,000 under way, 100 to be tried again, 20 dead. */
async function fill(database: Database): Promise<void> {
  await database.query(
    "INSERT INTO gleaner.run (id, fingerprint, name, location, spec) VALUES ('r', 'r', 'bench', '/r', '{}')",
  );
  await database.query(
    "INSERT INTO gleaner.stage (run, stage, tasks, open_groups) VALUES ('r', 'harvest', $1, 1)",
    [TASKS],
  );
  await database.query(
    `INSERT INTO pgboss.job (name, data, state, retry_limit, output, dead_letter, policy, priority, start_after, heartbeat_seconds)
     SELECT 'harvest', jsonb_build_object('run', 'r', 'stage', 'harvest', 'index', i, 'task', jsonb_build_object('stage',
         'harvest', 'index', i, 'unique', jsonb_build_object('path', 'unique/00000.parquet', 'bytes', 12345678, 'sha256',
         repeat('0123456789abcdef', 4)), 'rowStart', i % 100 * 10000, 'rowEnd', i % 100 * 10000 + 10000)),
       (CASE WHEN i < 600000 THEN 'completed' WHEN i < 608000 THEN 'active' WHEN i < 608100 THEN 'retry'
         WHEN i < 608120 THEN 'failed' ELSE 'created' END)::pgboss.job_state, 10,
       CASE WHEN i BETWEEN 608000 AND 608119 THEN '{"message": "s3://bucket: no answer"}'::jsonb END, 'dead-harvest',
       'standard', 0, now() + CASE WHEN i BETWEEN 608000 AND 608099 THEN interval '1 hour' ELSE interval '0' END, 20
     FROM generate_series(0, $1 - 1) AS s (i)`,
    [TASKS],
  );
  await database.query(
    `INSERT INTO gleaner.tally SELECT 'r', 'harvest', 'w' || i, $1::float8 / $2 * 0.6, 1000, 900, $3::jsonb
     FROM generate_series(1, $2::int) AS s (i)`,
    [TASKS, WORKERS, LEDGERS],
  );
  await database.query(
    `INSERT INTO gleaner.worker (id, name, host, pid, stages, version, slots, busy, state, doing, memory_bytes)
     SELECT 'w' || i, 'worker-' || i, 'host-' || i, 1, '{harvest}', '0.1.0', $2, $2, 'working', $3::jsonb, 2000000000
     FROM generate_series(1, $1::int) AS s (i)`,
    [WORKERS, SLOTS, DOING],
  );
  await database.query('VACUUM ANALYZE pgboss.job');
  await database.query('ANALYZE gleaner.tally, gleaner.worker');
}

/** CPU time of some processes, in hundredths of a second (USER_HZ, proc(5)). */
function ticks(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return sum + user + system;
  }, 0);
}
