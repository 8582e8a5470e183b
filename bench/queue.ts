/** What the queue of a fleet costs: submitting, working on empty tasks, and where a database would give way under 1,000 workers. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Database } from '../src/executors/fleet/database.ts';
import { TOUCH_SECONDS } from '../src/executors/fleet/queues.ts';
import { GROUP_TASKS, sendGroup } from '../src/executors/fleet/send-group.ts';
import { type LeasedTask, TaskQueue } from '../src/executors/fleet/task-queue.ts';
import type { Manifest } from '../src/pipeline/index.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { head, row } from './table.ts';

const OPTIONS = {
  /** Tasks that are submitted. LAION's own: 8,500,000. */
  tasks: { type: 'string', default: '1000000' },
  /** Empty tasks that are worked on for the throughput. */
  work: { type: 'string', default: '50000' },
  workers: { type: 'string', default: '1000' },
  /** Seconds that a simulated task takes, on average; one simulation each. */
  durations: { type: 'string', default: '60,20,10,5,2' },
  /** Seconds of each simulation that are measured. */
  seconds: { type: 'string', default: '30' },
  connections: { type: 'string', default: '40' },
  /** Submitters side by side: the planner is one. */
  submitters: { type: 'string', default: '1' },
} as const;

const RUN = { id: 'bench', priority: 0 };
const STAGE = 'harvest';

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [tasks, work, workers] = [Number(values.tasks), Number(values.work), Number(values.workers)];
  await using postgres = await startPostgres('gleaner', [
    '-c',
    'shared_buffers=1GB',
    '-c',
    'max_wal_size=4GB',
  ]);
  await using database = await Database.open(postgres.url, { connections: Number(values.connections) });
  const server = () => cpuOfServer(postgres.port);

  head('step', 'tasks', 'wall s', 'tasks/s', 'CPU-s of the database', 'CPU-s here');
  await database.query(
    "INSERT INTO gleaner.run (id, fingerprint, name, location, spec) VALUES ($1, $1, $1, '/nowhere', '{}')",
    [RUN.id],
  );
  await database.query('INSERT INTO gleaner.stage (run, stage, tasks, open_groups) VALUES ($1, $2, $3, 1)', [
    RUN.id,
    STAGE,
    tasks,
  ]);
  await measured('submitted', tasks, server, () => submit(database, tasks, Number(values.submitters)));
  await measured('submitted again', tasks, server, () => submit(database, tasks, Number(values.submitters)));
  const [size] = await database.query<{ bytes: string }>(
    'SELECT pg_database_size(current_database()) AS bytes',
  );
  for (const side of [1, 4, 16])
    await measured(`empty tasks, ${side} at once`, work, server, () => workOn(database, work, side));

  process.stdout.write(`\n${(Number(size?.bytes) / tasks).toFixed(0)} bytes of database a task\n`);
  head(
    'workers',
    'task s',
    'tasks/s wanted',
    'tasks/s',
    'take p50 ms',
    'p99 ms',
    'end p50 ms',
    'p99 ms',
    'database, cores',
  );
  for (const duration of values.durations.split(',').map(Number))
    await simulate(database, { workers, duration, seconds: Number(values.seconds) }, server);
}

async function submit(database: Database, tasks: number, side: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let start = next; start < tasks; start = next) {
      next += GROUP_TASKS;
      const group = Array.from({ length: Math.min(GROUP_TASKS, tasks - start) }, (_, i) => taskOf(start + i));
      await sendGroup(database, RUN, start / GROUP_TASKS, [{ queue: STAGE, stage: STAGE, tasks: group }]);
    }
  };
  await Promise.all(Array.from({ length: side }, lane));
}

/** As large as one of a crawl. */
function taskOf(index: number): { index: number; task: unknown } {
  const unique = {
    path: `unique/${String(index % 4096).padStart(5, '0')}.parquet`,
    bytes: 123_456_789,
    sha256: 'a'.repeat(64),
  };
  return {
    index,
    task: { stage: STAGE, index, unique, rowStart: index * 10_000, rowEnd: (index + 1) * 10_000 },
  };
}

async function workOn(database: Database, tasks: number, side: number): Promise<void> {
  const queue = new TaskQueue(database);
  let left = tasks;
  await Promise.all(
    Array.from({ length: side }, async (_, worker) => {
      while (left > 0) {
        const taken = await queue.take([STAGE], Math.min(10, left));
        left -= taken.length;
        for (const task of taken) await queue.complete(task, manifestOf(task), `empty-${side}-${worker}`);
      }
    }),
  );
}

interface Simulation {
  readonly workers: number;
  /** Mean seconds a task; exponentially distributed. */
  readonly duration: number;
  readonly seconds: number;
}

/** Workers of one slot that take, work (wait), touch every five seconds, and end; each writes its row every ten. */
async function simulate(
  database: Database,
  { workers, duration, seconds }: Simulation,
  server: () => number,
): Promise<void> {
  const queue = new TaskQueue(database);
  const takes: number[] = [];
  const ends: number[] = [];
  let measuring = false;
  let running = true;
  let done = 0;
  const timed = async <T>(times: number[], call: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const answer = await call();
    if (measuring) times.push(performance.now() - began);
    return answer;
  };
  const work = async (worker: number): Promise<void> => {
    // They did not all begin in one moment.
    await sleep(Math.random() * Math.min(duration, 10) * 1000);
    let seen = 0;
    while (running) {
      const [task] = await timed(takes, () => queue.take([STAGE], 1));
      if (!task) throw new Error('no tasks are left: submit more');
      let leftMs = -Math.log(1 - Math.random()) * duration * 1000;
      while (running && leftMs > 0) {
        const step = Math.min(leftMs, TOUCH_SECONDS * 1000);
        await sleep(step);
        leftMs -= step;
        if (leftMs > 0) await queue.touch([task]);
        if (performance.now() - seen > 10_000) {
          await seeWorker(database, worker);
          seen = performance.now();
        }
      }
      if (!running) return queue.giveBack([task]);
      await timed(ends, () => queue.complete(task, manifestOf(task), `sim-${worker}`));
      if (measuring) done++;
    }
  };
  const all = Array.from({ length: workers }, (_, worker) => work(worker));
  await sleep(Math.min(duration, 10) * 1000 + 5_000);
  const [cpu, began] = [server(), performance.now()];
  measuring = true;
  await sleep(seconds * 1000);
  measuring = false;
  const wall = (performance.now() - began) / 1000;
  const cores = (server() - cpu) / wall;
  running = false;
  await Promise.all(all);
  const ms = (times: readonly number[], share: number) => quantile(times, share).toFixed(1);
  row(
    workers,
    duration,
    (workers / duration).toFixed(0),
    (done / wall).toFixed(0),
    ms(takes, 0.5),
    ms(takes, 0.99),
    ms(ends, 0.5),
    ms(ends, 0.99),
    cores.toFixed(2),
  );
}

async function seeWorker(database: Database, worker: number): Promise<void> {
  await database.query(
    `INSERT INTO gleaner.worker (id, name, host, pid, stages, version) VALUES ($1, $1, 'host', 1, '{harvest}', '0')
     ON CONFLICT (id) DO UPDATE SET seen_at = now(), busy = 1`,
    [`sim-${worker}`],
  );
}

function manifestOf({ index }: LeasedTask): Manifest {
  return {
    ...{ version: 1, task: `harvest/${index}`, fingerprint: 'f', facts: { rows: 9 }, files: [] },
    ledgers: {
      fetched: { in: 10_000, out: 7_000, dropped: { dns: 1_000, timeout: 2_000 } },
    } as unknown as Manifest['ledgers'],
    ...{ seconds: 1, cpuSeconds: 1, finishedAt: '2026-01-01T00:00:00Z' },
  };
}

async function measured(
  name: string,
  tasks: number,
  server: () => number,
  work: () => Promise<void>,
): Promise<void> {
  const [there, here, began] = [server(), process.cpuUsage(), performance.now()];
  await work();
  const wall = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(here);
  row(
    name,
    tasks,
    wall.toFixed(1),
    (tasks / wall).toFixed(0),
    (server() - there).toFixed(1),
    ((user + system) / 1e6).toFixed(1),
  );
}

/** User and system time of a PostgreSQL, its processes that have ended among it, in seconds. Linux alone. */
function cpuOfServer(port: number): number {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')
          .map(Number);
        return [{ pid: Number(name), fields, command: readFileSync(`/proc/${name}/cmdline`, 'utf8') }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
  const main = stats.find(
    ({ command }) => command.includes('bin/postgres') && command.includes(`\0${port}\0`),
  );
  const mine = stats.filter(({ pid, fields }) => main && (pid === main.pid || fields[1] === main.pid));
  // utime, stime of each; cutime, cstime of the first, which has waited for the others (proc(5)).
  const ticks = (fields: readonly number[], from: number, to: number) =>
    fields.slice(from, to).reduce((a, b) => a + b, 0);
  return mine.reduce((sum, { pid, fields }) => sum + ticks(fields, 11, pid === main?.pid ? 15 : 13) / 100, 0);
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
