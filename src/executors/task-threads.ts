import { MessageChannel } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { Manifest, Task, TaskEnvironment, TaskHooks } from '../pipeline/index.ts';
import { CpuMeter } from '../pipeline/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { WorkerAnswer, WorkerData, WorkerMessage, WorkerTask } from './worker.ts';

/** The worker's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url).href;

/** A stopped task ends by itself, and tidies up; a thread that does not come to it in so long, in milliseconds, is ended. */
const STOP_MS = 5_000;

/** Tasks of fetch that a thread has open: while the slow answers of one are waited for, there are those of others. */
export const OPEN_FETCHES = 3;

type RunOptions = NonNullable<Parameters<Piscina['run']>[1]>;

export interface TaskThreadsOptions {
  /** Threads at most. */
  readonly threads: number;
  /** Tasks that a thread has open at once. @default 1 */
  readonly open?: number;
  /** A thread without a task is ended after so long, in milliseconds. @default never; all are begun at once */
  readonly idleMs?: number;
}

/** Threads of this process that run tasks of one run, as they come: each keeps its engines between two of them. */
export class TaskThreads implements AsyncDisposable {
  readonly #pool: Piscina<WorkerTask, WorkerAnswer>;

  private constructor(pool: Piscina<WorkerTask, WorkerAnswer>) {
    this.#pool = pool;
  }

  /** @param cpu meter of this process, where others run tasks too */
  static async open(
    environment: Omit<TaskEnvironment, 'share'>,
    { threads, open = 1, idleMs }: TaskThreadsOptions,
    cpu = new CpuMeter(),
  ): Promise<TaskThreads> {
    const { Piscina } = await import('piscina');
    const data: WorkerData = { ...environment, share: threads, cpu: cpu.memory };
    return new TaskThreads(
      new Piscina({
        filename: WORKER,
        ...(idleMs === undefined ? { minThreads: threads } : { minThreads: 0, idleTimeout: idleMs }),
        maxThreads: threads,
        concurrentTasksPerWorker: open,
        workerData: data,
      }),
    );
  }

  /**
   * Runs a task, when a thread is free for it.
   * @throws GleanerError for the user's eyes; the reason of the signal where it was stopped
   */
  async run(task: Task, { signal, progress, read }: TaskHooks): Promise<Manifest> {
    signal.throwIfAborted();
    const { port1, port2 } = new MessageChannel();
    const end = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      port1.postMessage('stop');
      timer = setTimeout(() => end.abort(signal.reason), STOP_MS);
    };
    signal.addEventListener('abort', stop, { once: true });
    const told = new Promise<void>((resolve) => {
      port1.on('message', (message: WorkerMessage) => {
        if ('done' in message) progress(message.done);
        else if ('read' in message) read(message.read);
        else resolve();
      });
    });
    try {
      const answer = await this.#pool.run(
        { task, port: port2 },
        // Piscina takes a list, and nothing else; its types name another form of what Node takes.
        { transferList: [port2] as unknown as NonNullable<RunOptions['transferList']>, signal: end.signal },
      );
      if (!answer.ok) throw answer.told ? GleanerError.from(answer.told) : new Error(answer.problem);
      // The answer comes by another way than what was told before it.
      await told;
      return answer.manifest;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      port1.close();
    }
  }

  /** Ends all threads, whatever they are at. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}
