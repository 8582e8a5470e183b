import { availableParallelism } from 'node:os';
import type { Executor, Task, TaskHooks } from '../pipeline/index.ts';
import { type Manifest, type TaskEnvironment, TaskRunner, taskName } from '../pipeline/index.ts';
import { GleanerError, refusedBySystem } from '../schema/index.ts';
import { harvestInProcesses, isHarvest } from './harvest.ts';
import { OPEN_FETCHES, TaskThreads } from './task-threads.ts';

export interface LocalExecutorOptions {
  /** Threads, or processes, that run tasks side by side. @default the number of cores */
  readonly workers?: number;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL;
}

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
  await using pool = await TaskThreads.open(environment, { threads, open });
  const { signal, ...told } = hooks;
  // What is stopped is not waited for: its threads end with the pool.
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    const all = tasks.map(async (task) => {
      try {
        onDone(await pool.run(task, { ...told, signal: new AbortController().signal }));
      } catch (error) {
        throw error instanceof GleanerError ? failed(task, error.message) : error;
      }
    });
    await Promise.race([Promise.all(all), stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function failed(task: Task, problem: string): GleanerError {
  return new GleanerError('TASK_FAILED', { task: taskName(task.stage, task.index), problem });
}
