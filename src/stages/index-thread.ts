import { parentPort, workerData } from 'node:worker_threads';
import { refusedBySystem } from '../schema/index.ts';
import { fileStorage } from '../storage/index.ts';
import type { IndexThreadMessage } from './index-in-thread.ts';
import { type IndexVectorsTask, indexVectors } from './index-vectors.ts';

/* The thread of `indexVectorsInThread`. */

const task: IndexVectorsTask = workerData;
const tell = (message: IndexThreadMessage) => parentPort?.postMessage(message);
try {
  const storage = fileStorage(task.root);
  // A build that is to stop is ended with its thread.
  const { signal } = new AbortController();
  const done = await indexVectors(task, { storage, signal, progress: (rows) => tell({ progress: rows }) });
  tell({ done });
} catch (error) {
  const told = refusedBySystem(error);
  if (!told) throw error;
  tell({ failed: told.toPlain() });
}
