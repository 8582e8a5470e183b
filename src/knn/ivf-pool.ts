import { AskedThread } from './asked-thread.ts';
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
export interface PoolRequest extends Pick<IvfQuery, 'k' | 'effort' | 'vectors'> {
  readonly query: Float32Array;
  readonly among:
    | { readonly places: number; readonly words: Uint32Array<SharedArrayBuffer>; readonly count: number }
    | undefined;
}

// Sources run as they are in development; the build leaves JavaScript.
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './ivf-thread.ts' : './ivf-thread.js',
  import.meta.url,
);

/** Threads that search one index in one memory. Each answers its searches in the order in which they came. */
export class SearchPool {
  readonly #threads: AskedThread<PoolRequest, IvfHits>[];

  /** @param scratchAts where each thread may write: one each */
  constructor({ memory, ...loaded }: LoadedIvf, scratchAts: readonly number[]) {
    this.#threads = scratchAts.map((scratchAt) => {
      const data: PoolData = { loaded, memory: memory.memory, scratchAt };
      return new AskedThread(THREAD, 'knn', data);
    });
  }

  /** @param query of length 1 */
  search(query: Float32Array, { k, among, effort, vectors }: IvfQuery): Promise<IvfHits> {
    const [first, ...others] = this.#threads;
    if (!first) throw new Error('there is no thread to search with');
    const idlest = others.reduce((best, one) => (one.waiting < best.waiting ? one : best), first);
    const words = among && { places: among.set.places, words: among.set.words, count: among.count };
    return idlest.ask({ query, k, effort, vectors, among: words });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}
