import { Worker } from 'node:worker_threads';
import type { LoadedIvf } from './ivf-load.ts';
import type { SharedMemory } from './ivf-memory.ts';
import type { IvfHits, IvfQuery } from './ivf-search.ts';

/** What a thread is told at first: an index, and where in its memory it may write. */
export interface PoolData {
  readonly loaded: Omit<LoadedIvf, 'memory'>;
  readonly memory: SharedMemory;
  readonly scratchAt: number;
}

/** A search, as it goes to a thread; a set goes as its words, which are shared. */
export interface PoolRequest {
  readonly id: number;
  readonly query: Float32Array;
  readonly k: number;
  readonly effort: number | undefined;
  readonly vectors: boolean | undefined;
  readonly among:
    | { readonly places: number; readonly words: Uint32Array<SharedArrayBuffer>; readonly count: number }
    | undefined;
}

export type PoolReply =
  | { readonly id: number; readonly hits: IvfHits }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (hits: IvfHits) => void;
  readonly reject: (error: Error) => void;
}

/** Threads that search one index in one memory. Each answers its searches in the order in which they came. */
export class SearchPool {
  readonly #threads: SearchThread[];

  /** @param scratchAts where each thread may write: one each */
  constructor({ memory, ...loaded }: LoadedIvf, scratchAts: readonly number[]) {
    this.#threads = scratchAts.map(
      (scratchAt) => new SearchThread({ loaded, memory: memory.memory, scratchAt }),
    );
  }

  /** @param query of length 1 */
  search(query: Float32Array, options: IvfQuery): Promise<IvfHits> {
    const [first, ...others] = this.#threads;
    if (!first) throw new Error('there is no thread to search with');
    const idlest = others.reduce((best, one) => (one.waiting < best.waiting ? one : best), first);
    return idlest.search(query, options);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

class SearchThread {
  readonly #data: PoolData;
  readonly #waiting = new Map<number, Waiting>();
  /** Begun with the first search, and again where it ended by itself. */
  #worker: Worker | undefined;
  #next = 0;
  #closed = false;

  constructor(data: PoolData) {
    this.#data = data;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  search(query: Float32Array, { k, among, effort, vectors }: IvfQuery): Promise<IvfHits> {
    if (this.#closed) return Promise.reject(new Error('the index is closed'));
    const worker = this.#begun();
    const id = this.#next++;
    return new Promise<IvfHits>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // While a search waits, the process has to stay.
      worker.ref();
      const words = among && { places: among.set.places, words: among.set.words, count: among.count };
      worker.postMessage({ id, query, k, effort, vectors, among: words } satisfies PoolRequest);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #begun(): Worker {
    if (this.#worker) return this.#worker;
    // Sources run as they are in development; the build leaves JavaScript.
    const name = import.meta.url.endsWith('.ts') ? './ivf-thread.ts' : './ivf-thread.js';
    const worker = new Worker(new URL(name, import.meta.url), { name: 'knn', workerData: this.#data });
    worker.on('message', (reply: PoolReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('hits' in reply) waiting?.resolve(reply.hits);
      else waiting?.reject(new Error(reply.error));
    });
    const ended = (error: Error) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on('error', ended);
    worker.on('exit', () => ended(new Error('the index is closed')));
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}
