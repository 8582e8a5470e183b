import { move, Piscina, transferableSymbol, valueSymbol } from 'piscina';
import type { Outcome } from '../schema/index.ts';

/** What a thread is given. */
export interface BodyJob {
  readonly body: Uint8Array;
  readonly into: ArrayBuffer | undefined;
}

/** Threads that do nothing but work on images. */
export interface BodyThreads<R> extends AsyncDisposable {
  /**
   * @param body is the thread's from then on
   * @param into likewise: memory for what it gives back
   */
  run(body: Uint8Array, into?: ArrayBuffer): Promise<Outcome<R>>;
}

export interface BodyThreadsOptions {
  /** What runs in a thread: a file whose default export takes a `BodyJob`, and gives what `handOver` returns. */
  readonly file: URL;
  readonly threads: number;
  /** Bodies that a thread is handed while it works on another: for where this thread may stand still. @default 0 */
  readonly queued?: number;
  /** What all images have in common: the threads' workerData. */
  readonly work: object;
}

/**
 * Starts threads that decode and what goes with it, so that this one has its hands free. A decoder that crashes there ends
 * the process all the same.
 */
export function startBodyThreads<R>(options: BodyThreadsOptions): BodyThreads<R> {
  const { file, threads, queued = 0, work } = options;
  const pool = new Piscina<BodyJob, Outcome<R>>({
    filename: file.href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1 + queued,
    workerData: work,
    // They have next to nothing on their heap that lasts.
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
  });
  const running = new Set<Promise<unknown>>();
  return {
    run: async (body, into) => {
      const own = body.byteLength === body.buffer.byteLength ? body : new Uint8Array(body);
      const handed = into ? [own.buffer, into] : [own.buffer];
      // Its types take the options of postMessage for the list.
      const made = pool.run({ body: own, into }, { transferList: handed as never });
      running.add(made);
      try {
        return await made;
      } finally {
        running.delete(made);
      }
    },
    async [Symbol.asyncDispose]() {
      // An answer that comes while the pool is being taken down is an exception that nobody can catch.
      await Promise.allSettled(running);
      await pool.destroy();
    },
  };
}

/** In a thread: gives an outcome back, with the memory of its bytes handed over and not copied. */
export function handOver<R>(outcome: Outcome<R>, bytesOf: (value: R) => ArrayBufferView): Outcome<R> {
  if (!outcome.kept) return outcome;
  const { buffer } = bytesOf(outcome.value);
  return move({ [transferableSymbol]: [buffer], [valueSymbol]: outcome } as never) as never;
}
