import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'piscina';
// Not by index.ts: no library with native code is loaded before a stage wants it.
import { CpuMeter } from '../pipeline/cpu-meter.ts';
import type { Manifest, Task, TaskEnvironment } from '../pipeline/index.ts';
import { TaskRunner } from '../pipeline/run-task.ts';
import { type Problem, problemOf } from './problem.ts';

/** A task, and the way to whoever waits for it: what comes by it is to stop. */
export interface WorkerTask {
  readonly task: Task;
  readonly port: MessagePort;
}

/** Errors do not cross threads whole. */
export type WorkerAnswer =
  | { readonly ok: true; readonly manifest: Manifest }
  | ({ readonly ok: false } & Problem);

/** Progress, while a task runs, and that there is no more. */
export type WorkerMessage = { readonly done: number } | { readonly read: number } | { readonly ended: true };

/** What a thread is begun with. */
export interface WorkerData extends TaskEnvironment {
  /** Memory of the `CpuMeter` that all threads of the process share. */
  readonly cpu: SharedArrayBuffer;
}

let runner: TaskRunner | undefined;

/** One thread of the pool: runs one task after another, and keeps its engines between them. */
export default async function work({ task, port }: WorkerTask): Promise<WorkerAnswer> {
  const { cpu, ...environment } = workerData as WorkerData;
  runner ??= new TaskRunner(environment, new CpuMeter(cpu));
  const stop = new AbortController();
  port.on('message', () => stop.abort(new Error('stopped')));
  const tell = (message: WorkerMessage) => port.postMessage(message);
  try {
    const manifest = await runner.run(task, {
      signal: stop.signal,
      progress: (done) => tell({ done }),
      read: (read) => tell({ read }),
    });
    return { ok: true, manifest };
  } catch (error) {
    return { ok: false, ...problemOf(error) };
  } finally {
    tell({ ended: true });
    port.close();
  }
}
