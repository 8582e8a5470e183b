import { setImmediate } from 'node:timers/promises';
import { NO_ID } from './ivf-files.ts';
import type { RowChunk } from './ivf-write.ts';
import type { KnnBatch } from './types.ts';
import { normalizeRows } from './vector.ts';

/** Steps of a build after which others get a turn, in milliseconds. */
const TURN_MS = 20;

/** Tells of progress, ends where the signal says so, and gives others a turn now and then. */
export function turns(
  signal: AbortSignal | undefined,
  onProgress: ((share: number) => void) | undefined,
  from: number,
  to: number,
): (share: number) => Promise<void> {
  let last = performance.now();
  return async (share) => {
    signal?.throwIfAborted();
    if (performance.now() - last < TURN_MS) return;
    onProgress?.(from + share * (to - from));
    await setImmediate();
    last = performance.now();
  };
}

/** Rows of length 1. @throws RangeError where they are not whole, or an id is none */
export function chunkOf({ ids, vectors }: KnnBatch, dimension: number): RowChunk {
  const rows = normalizeRows(vectors, dimension);
  if (rows.length !== ids.length * dimension) throw new RangeError('ids and vectors differ in number');
  for (const id of ids)
    if (!Number.isInteger(id) || id < 0 || id >= NO_ID) throw new RangeError(`${id} is no id of a row`);
  return { ids: Uint32Array.from(ids), vectors: rows };
}

/** Ids of which each comes once: a bit for each. */
export class DifferentIds {
  #words = new Uint32Array(1024);

  /** @throws RangeError for one that came before */
  add(ids: Uint32Array): void {
    for (const id of ids) {
      const word = id >>> 5;
      if (word >= this.#words.length) {
        const longer = new Uint32Array(Math.max(word + 1, 2 * this.#words.length));
        longer.set(this.#words);
        this.#words = longer;
      }
      const before = this.#words[word] ?? 0;
      const bit = 1 << (id & 31);
      if (before & bit) throw new RangeError(`id ${id} comes twice`);
      this.#words[word] = before | bit;
    }
  }
}
