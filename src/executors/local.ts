import { availableParallelism } from 'node:os';
import type { Executor, Task, TaskHooks } from '../pipeline/index.ts';
import { CpuMeter, type Manifest, type TaskEnvironment, TaskRunner, taskName } from '../pipeline/index.ts';
import { GleanerError, refusedBySystem } from '../schema/index.ts';
import { harvestInProcesses, isHarvest } from './harvest.ts';
import type { WorkerAnswer, WorkerData, WorkerMessage } from './worker.ts';

/** The worker's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url).href;

export interface LocalExecutorOptions {
  /** Threads, or processes, that run tasks side by side. @default the number of cores */
  readonly workers?: number;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL;
}

/** Tasks of fetch that a thread has open: while the slow answers of one are waited for, there are those of others. */
const OPEN_FETCHES = 3;

type Environment = Omit<TaskEnvironment, 'share'>;
type OnDone = (manifest: Manifest) => void;

/**
 * Runs tasks in threads of this process; in its own thread where no second could help. Harvest alone, which meets the
 * bytes of strangers with decoders in C, runs in processes that it may end.
 */
export function localExecutor(options: LocalExecutorOptions = {}): Executor {
  const { workers = availableParallelism(), processFile } = options;
  return {
    async execute(tasks, environment, hooks, onDone) {
      if (tasks.every(isHarvest)) {
        const processes = { workers, ...(processFile && { file: processFile }) };
        return harvestInProcesses(tasks, processes, environment, hooks, onDone);
      }
      const open = tasks.every(({ stage }) => stage === 'fetch') ? OPEN_FETCHES : 1;
      const threads = Math.min(workers, tasks.length);
      if (threads > 1) await runInThreads(tasks, { threads, open }, environment, hooks, onDone);
      else await runHere(tasks, open, environment, hooks, onDone);
    },
  };
}

/** A thread of its own would load every module a second time: 0.3 s that a short stage need not spend. */
async function runHere(
  tasks: readonly Task[],
  open: number,
  environment: Environment,
  hooks: TaskHooks,
  onDone: OnDone,
): Promise<void> {
  await using runner = new TaskRunner({ ...environment, share: 1 });
  const stop = new AbortController();
  const signal = AbortSignal.any([hooks.signal, stop.signal]);
  const next = tasks.values();
  const work = async () => {
    for (const task of next) {
      signal.throwIfAborted();
      try {
        onDone(await runner.run(task, { ...hooks, signal }));
      } catch (error) {
        const told = signal.aborted ? undefined : refusedBySystem(error);
        const problem = told ? failed(task, told.message) : error;
        stop.abort(problem);
        throw problem;
      }
    }
  };
  const [first] = (await Promise.allSettled(Array.from({ length: open }, work))).filter(
    ({ status }) => status === 'rejected',
  );
  if (first) throw signal.reason;
}

async function runInThreads(
  tasks: readonly Task[],
  { threads, open }: { readonly threads: number; readonly open: number },
  environment: Environment,
  hooks: TaskHooks,
  onDone: OnDone,
): Promise<void> {
  const { Piscina } = await import('piscina');
  const stop = new AbortController();
  const signal = AbortSignal.any([hooks.signal, stop.signal]);
  const data: WorkerData = { ...environment, share: threads, cpu: new CpuMeter().memory };
  const pool = new Piscina<Task, WorkerAnswer>({
    filename: WORKER,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: open,
    workerData: data,
  });
  pool.on('message', (message: WorkerMessage) => forward(message, hooks));
  try {
    await Promise.all(
      tasks.map(async (task) => {
        try {
          const answer = await pool.run(task, { signal });
          if (!answer.ok) throw failed(task, answer.problem);
          onDone(answer.manifest);
        } catch (error) {
          stop.abort(error);
          throw error;
        }
      }),
    );
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    await pool.destroy();
  }
}

function failed(task: Task, problem: string): GleanerError {
  return new GleanerError('TASK_FAILED', { task: taskName(task.stage, task.index), problem });
}

function forward(message: WorkerMessage, hooks: TaskHooks): void {
  if ('done' in message) hooks.progress(message.done);
  else hooks.read(message.read);
}
