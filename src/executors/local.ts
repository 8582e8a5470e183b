import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { type Executor, type Task, type TaskHooks, taskName } from '../pipeline/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { WorkerAnswer, WorkerMessage } from './worker.ts';

/** The worker's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url).href;

export interface LocalExecutorOptions {
  /** Threads that run tasks side by side. @default the number of cores */
  readonly workers?: number;
}

/** Runs tasks in threads of this process. */
export function localExecutor({ workers = availableParallelism() }: LocalExecutorOptions = {}): Executor {
  return {
    async execute(tasks, environment, hooks, onDone) {
      const threads = Math.min(workers, tasks.length);
      const stop = new AbortController();
      const signal = AbortSignal.any([hooks.signal, stop.signal]);
      const pool = new Piscina<Task, WorkerAnswer>({
        filename: WORKER,
        minThreads: threads,
        maxThreads: threads,
        workerData: { ...environment, share: threads },
      });
      pool.on('message', (message: WorkerMessage) => forward(message, hooks));
      try {
        await Promise.all(
          tasks.map(async (task) => {
            try {
              const answer = await pool.run(task, { signal });
              if (!answer.ok)
                throw new GleanerError('TASK_FAILED', {
                  task: taskName(task.stage, task.index),
                  problem: answer.problem,
                });
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
    },
  };
}

function forward(message: WorkerMessage, hooks: TaskHooks): void {
  if ('done' in message) hooks.progress(message.done);
  else hooks.read(message.read);
}
