import { Worker } from 'node:worker_threads';
import { GleanerError, type PlainError } from '../schema/index.ts';
import type { IndexedVectors, IndexVectorsTask } from './index-vectors.ts';
import type { StageContext } from './stage.ts';

/** What a thread says: rows done, and at last what it made. */
export type IndexThreadMessage =
  | { readonly progress: number }
  | { readonly done: IndexedVectors }
  | { readonly failed: PlainError };

/** `indexVectors` on a thread of its own. */
export async function indexVectorsInThread(
  task: IndexVectorsTask,
  ctx: Pick<StageContext, 'signal' | 'progress'>,
): Promise<IndexedVectors> {
  ctx.signal.throwIfAborted();
  // Sources run as they are in development; the build leaves JavaScript.
  const name = import.meta.url.endsWith('.ts') ? './index-thread.ts' : './index-thread.js';
  const worker = new Worker(new URL(name, import.meta.url), { name: `index-${task.kind}`, workerData: task });
  const { promise, resolve, reject } = Promise.withResolvers<IndexedVectors>();
  const stop = () => reject(ctx.signal.reason);
  ctx.signal.addEventListener('abort', stop);
  worker.on('message', (message: IndexThreadMessage) => {
    if ('progress' in message) ctx.progress(message.progress);
    else if ('done' in message) resolve(message.done);
    else reject(GleanerError.from(message.failed));
  });
  worker.on('error', reject);
  worker.on('exit', () => reject(new Error('a thread that makes an index has ended')));
  try {
    return await promise;
  } finally {
    ctx.signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
