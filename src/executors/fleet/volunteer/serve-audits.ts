import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { runStorage } from '../../../pipeline/index.ts';
import type { TaskEnvironment } from '../../../pipeline/run-task.ts';
import { silenceOfModelMs } from '../../model-silence.ts';
import { processExecutor } from '../../processes.ts';
import type { Database } from '../database.ts';
import { TaskPacker } from '../pack-task.ts';
import { TOUCH_SECONDS } from '../queues.ts';
import { type FleetRun, readRunOf } from '../run-row.ts';
import { type LeasedTask, TaskQueue } from '../task-queue.ts';
import { acceptShard } from './accept-shard.ts';
import type { AuditOrder } from './audit-process.ts';
import { SAMPLE, type SampleSize, type Verdict } from './audit-shard.ts';
import { type LoanRow, loan as readLoan } from './loans.ts';
import { foldersOf } from './places.ts';
import { claimSchema } from './protocol.ts';
import { refuseLoan } from './standing.ts';

/** The process's file: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './audit-process.ts' : './audit-process.js',
  import.meta.url,
);

/** First and longest wait between two looks for something to audit, in milliseconds. */
const IDLE_MS = 1_000;
const MAX_IDLE_MS = 15_000;
/** Audits that ended their processes, on whatever machines, after which the shard is refused. */
const MAX_ATTEMPTS = 3;

const auditData = z.object({ loan: z.string(), claim: claimSchema });

/** What an audit came to, for the log. */
export interface AuditEvent {
  readonly event: 'accepted' | 'refused' | 'blocked' | 'gone' | 'failed';
  readonly run: string;
  readonly index: number;
  readonly volunteer?: string;
  readonly problem?: string;
}

export interface AuditOptions {
  /** The run as this machine works on it: its models and lists are here. */
  readonly environmentOf: (run: FleetRun) => Promise<Omit<TaskEnvironment, 'share'>>;
  readonly signal: AbortSignal;
  readonly sample?: SampleSize | undefined;
  /** Ends when there is nothing more. @default false */
  readonly once?: boolean;
  readonly onEvent?: (event: AuditEvent) => void;
  /** What runs in a process. @default gleaner's own; tests name another */
  readonly processFile?: URL;
}

/** Audits what volunteers have sent, one shard after the other, until it is stopped: for a trusted worker that harvests. */
export async function serveAudits(database: Database, options: AuditOptions): Promise<void> {
  const { signal, once = false } = options;
  const queue = new TaskQueue(database);
  for (let waitMs = IDLE_MS; !signal.aborted; ) {
    const [task] = await queue.take(['audit'], 1);
    if (task) {
      await auditTask(database, queue, task, options);
      waitMs = IDLE_MS;
      continue;
    }
    if (once) return;
    await sleep(waitMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(MAX_IDLE_MS, waitMs * 1.5);
  }
}

/** Audits one shard that was taken from the queue, and does what follows from it. */
async function auditTask(
  database: Database,
  queue: TaskQueue,
  task: LeasedTask,
  options: AuditOptions,
): Promise<void> {
  const { signal, onEvent = () => undefined } = options;
  const tell = (event: AuditEvent['event'], more: Partial<AuditEvent> = {}) =>
    onEvent({ event, run: task.run, index: task.index, ...more });
  const stop = new AbortController();
  const beat = setInterval(() => {
    queue.touch([task]).then(
      (lost) => {
        if (lost.length > 0) stop.abort(new Error('the audit is another worker’s'));
      },
      () => undefined,
    );
  }, TOUCH_SECONDS * 1000);
  try {
    await decide(database, task, { ...options, signal: AbortSignal.any([signal, stop.signal]) }, tell);
    await database.persevere(() => database.boss.complete('audit', task.id));
  } catch (error) {
    if (stop.signal.aborted) return;
    if (signal.aborted) {
      await queue.giveBack([task]);
      return;
    }
    const problem = error instanceof Error ? error.message : String(error);
    tell('failed', { problem });
    await queue.fail(task, problem);
  } finally {
    clearInterval(beat);
  }
}

async function decide(
  database: Database,
  { run: id, packed, attempt }: LeasedTask,
  options: AuditOptions,
  tell: (event: AuditEvent['event'], more?: Partial<AuditEvent>) => void,
): Promise<void> {
  const { loan: loanId, claim } = auditData.parse(packed);
  const run = await readRunOf(database, id);
  const storage = runStorage(run.location);
  const row = await readLoan(database, loanId);
  const sweep = async () => {
    for (const folder of foldersOf(loanId)) await storage.remove(folder);
  };
  if (row?.state !== 'auditing' || run.state !== 'running') {
    await sweep();
    tell('gone');
    return;
  }
  const task = await new TaskPacker(storage).unpack(row.packed);
  if (task.stage !== 'harvest') throw new Error(`${task.stage} is no task of volunteers`);
  const shard = {
    ...{ loan: loanId, task, lent: row.lent, claim, sample: options.sample ?? SAMPLE },
    seed: randomBytes(32).toString('hex'),
  };
  const order: AuditOrder = { index: row.index, shard, suspects: [], fatal: [] };
  const verdict = await inProcess(order, await options.environmentOf(run), attempt, options);
  const volunteer = await nameOf(database, row);
  if (!verdict.accepted) {
    const { problem, forged } = verdict;
    const blocked = await refuseLoan(database, row, { problem, forged });
    await sweep();
    tell('refused', { volunteer, problem });
    if (blocked) tell('blocked', { volunteer, problem });
    return;
  }
  const taken = await acceptShard(database, run, row, task, verdict.result, claim);
  if (!taken) for (const { path } of verdict.result.files) await storage.remove(path);
  await sweep();
  tell(taken ? 'accepted' : 'gone', { volunteer });
}

async function inProcess(
  order: AuditOrder,
  environment: Omit<TaskEnvironment, 'share'>,
  attempt: number,
  { signal, processFile = PROCESS }: AuditOptions,
): Promise<Verdict> {
  const executor = processExecutor<AuditOrder, Omit<TaskEnvironment, 'share'>, Verdict>({
    ...{ workers: 1, file: processFile, openOrders: 1, name: 'audit' },
    silenceMs: silenceOfModelMs(environment.spec.recipe.score.batchSize),
  });
  let verdict: Verdict | undefined;
  const orders = (async function* () {
    yield order;
  })();
  const [failure] = await executor.execute(orders, environment, { signal }, (_, result) => {
    verdict = result;
  });
  if (verdict) return verdict;
  const problem = failure?.problem ?? 'it came to nothing';
  // One machine may be short of memory; three are not.
  if (attempt < MAX_ATTEMPTS) throw new Error(problem);
  return { accepted: false, problem: `auditing it ended its process: ${problem}`, forged: false };
}

async function nameOf(database: Database, { volunteer }: LoanRow): Promise<string> {
  const [row] = await database.query<{ name: string }>('SELECT name FROM gleaner.volunteer WHERE id = $1', [
    volunteer,
  ]);
  return row?.name ?? volunteer;
}
