import type { LeasedTask } from '../task-queue.ts';

/**
 * Why a task is stopped before its end: `lost`, it is another's now, or nobody's; `drained`, this worker ends; `memory`,
 * there is too little for all that is under way; `large`, there is too little for this one alone.
 */
export class Stopped extends Error {
  readonly why: 'lost' | 'drained' | 'memory' | 'large';

  constructor(why: Stopped['why']) {
    super(why);
    this.why = why;
  }
}

/** A task of this worker, from taking it until it is ended or given back. */
export class Lease {
  readonly task: LeasedTask;
  /** When it was taken, by performance.now(). */
  readonly sinceMs = performance.now();
  readonly #stop = new AbortController();

  constructor(task: LeasedTask) {
    this.task = task;
  }

  /** Aborted with a `Stopped`. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  stop(why: Stopped['why']): void {
    this.#stop.abort(new Stopped(why));
  }

  /** Seconds since it was taken. */
  get seconds(): number {
    return (performance.now() - this.sinceMs) / 1000;
  }
}
