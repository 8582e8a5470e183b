import { parentPort } from 'node:worker_threads';
import { workerData } from 'piscina';
// Not by index.ts: no library with native code is loaded before a stage wants it.
import { CpuMeter } from '../pipeline/cpu-meter.ts';
import type { Manifest, Task, TaskEnvironment } from '../pipeline/index.ts';
import { TaskRunner } from '../pipeline/run-task.ts';
import { refusedBySystem } from '../schema/index.ts';

/** Errors do not cross threads whole, so those that are meant for the user go as what they say. */
export type WorkerAnswer =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly problem: string };

/** Progress, on its way to the pool while a task runs. */
export type WorkerMessage = { readonly done: number } | { readonly read: number };

/** What a thread is begun with. */
export interface WorkerData extends TaskEnvironment {
  /** Memory of the `CpuMeter` that all threads of the pool share. */
  readonly cpu: SharedArrayBuffer;
}

let runner: TaskRunner | undefined;

/** One thread of the pool: runs one task after another, and keeps its engines between them. */
export default async function work(task: Task): Promise<WorkerAnswer> {
  const { cpu, ...environment } = workerData as WorkerData;
  runner ??= new TaskRunner(environment, new CpuMeter(cpu));
  const tell = (message: WorkerMessage) => parentPort?.postMessage(message);
  try {
    const manifest = await runner.run(task, {
      signal: new AbortController().signal, // A stopped run ends the thread itself.
      progress: (done) => tell({ done }),
      read: (read) => tell({ read }),
    });
    return { ok: true, manifest };
  } catch (error) {
    const told = refusedBySystem(error);
    if (told) return { ok: false, problem: told.message };
    throw error;
  }
}
