import { parentPort, workerData } from 'node:worker_threads';
import { IvfMemory } from './ivf-memory.ts';
import type { PoolData, PoolReply, PoolRequest } from './ivf-pool.ts';
import { IvfSearcher } from './ivf-search.ts';
import { RowSet } from './row-set.ts';

/* A thread of a `SearchPool`. */

const { loaded, memory, scratchAt }: PoolData = workerData;
const searcher = new IvfSearcher({ ...loaded, memory: new IvfMemory({ memory, at: scratchAt }) });

parentPort?.on('message', ({ id, query, k, effort, vectors, among }: PoolRequest) => {
  try {
    const set = among && { set: new RowSet(among.places, among.words), count: among.count };
    const hits = searcher.search(query, { k, effort, vectors, among: set });
    const reply: PoolReply = { id, hits };
    const moved = [hits.scores, hits.ids, hits.places, ...(hits.vectors ? [hits.vectors] : [])];
    parentPort?.postMessage(
      reply,
      moved.map(({ buffer }) => buffer),
    );
  } catch (error) {
    const reply: PoolReply = { id, error: error instanceof Error ? error.message : String(error) };
    parentPort?.postMessage(reply);
  }
});
