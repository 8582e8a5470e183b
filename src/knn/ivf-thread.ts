import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadReply } from './asked-thread.ts';
import { IvfMemory } from './ivf-memory.ts';
import type { PoolData, PoolRequest } from './ivf-pool.ts';
import { type IvfHits, IvfSearcher } from './ivf-search.ts';
import { RowSet } from './row-set.ts';

/* A thread of a `SearchPool`. */

const { loaded, memory, scratchAt }: PoolData = workerData;
const tell = (reply: ThreadReply<IvfHits>, moved: ArrayBuffer[] = []) =>
  parentPort?.postMessage(reply, moved);
const searcher = new IvfSearcher({ ...loaded, memory: new IvfMemory({ memory, at: scratchAt }) });

parentPort?.on('message', ({ id, query, k, effort, vectors, among }: PoolRequest & { id: number }) => {
  try {
    const set = among && { set: new RowSet(among.places, among.words), count: among.count };
    const hits = searcher.search(query, { k, effort, vectors, among: set });
    const moved = [hits.scores, hits.ids, hits.places, ...(hits.vectors ? [hits.vectors] : [])];
    tell(
      { id, answer: hits },
      moved.map(({ buffer }) => buffer),
    );
  } catch (error) {
    tell({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
