import { parentPort, workerData } from 'node:worker_threads';
// Not all of the room: a thread is there sooner.
import type { ThreadReply } from '../knn/asked-thread.ts';
import { RowSet } from '../knn/row-set.ts';
import { FullTextIndex } from './full-text-index.ts';
import type { TextAnswer, TextRequest } from './full-text-thread.ts';

/* The thread of a `FullTextThread`. */

const path: string = workerData;
const index = await FullTextIndex.open(path);
const tell = (reply: ThreadReply<TextAnswer>, transferred: ArrayBuffer[] = []) =>
  parentPort?.postMessage(reply, transferred);

parentPort?.on('message', async (request: TextRequest & { id: number }) => {
  const { id, query } = request;
  try {
    if ('ids' in request) {
      tell({ id, answer: { matched: await index.matched(query, request.ids) } });
      return;
    }
    const { k, among } = request;
    const set = among && new RowSet(among.places, among.words);
    const hits = await index.search(query, { k, ...(set && { among: set }) });
    const ids = Float64Array.from(hits, (hit) => hit.id);
    const scores = Float64Array.from(hits, (hit) => hit.score);
    tell({ id, answer: { hits: { ids, scores } } }, [ids.buffer, scores.buffer]);
  } catch (error) {
    tell({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
