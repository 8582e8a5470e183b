import { Worker } from 'node:worker_threads';
import type { RowSet } from '../knn/index.ts';
import { FullTextIndex, type TextHit, type TextSearcher, type TextSearchOptions } from './full-text-index.ts';

/** What a thread is asked; a set goes as its words, which are shared. */
export type TextRequest =
  | { readonly id: number; readonly query: string; readonly k: number; readonly among: SharedSet | undefined }
  | { readonly id: number; readonly query: string; readonly ids: readonly number[] };
type SharedSet = Pick<RowSet, 'places' | 'words'>;

export type TextReply =
  | { readonly id: number; readonly hits: { readonly ids: Float64Array; readonly scores: Float64Array } }
  | { readonly id: number; readonly matched: ReadonlyMap<number, readonly string[]> }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (reply: TextReply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A `FullTextIndex` that is searched on a thread of its own, one search after the other in the order in which they came: one
 * in frequent words takes a tenth of a second, in which the caller's thread is free.
 */
export class FullTextThread implements TextSearcher {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  /** Begun with the first search, and again where it ended by itself. */
  #worker: Worker | undefined;
  #next = 0;
  #closed = false;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws GleanerError DAMAGED */
  static async open(path: string): Promise<FullTextThread> {
    await (await FullTextIndex.open(path)).close();
    return new FullTextThread(path);
  }

  async search(query: string, { k, among }: TextSearchOptions): Promise<readonly TextHit[]> {
    const id = this.#next++;
    const set = among && { places: among.places, words: among.words };
    const reply = await this.#ask({ id, query, k, among: set });
    if (!('hits' in reply)) throw new Error('the thread has answered something else');
    const { ids, scores } = reply.hits;
    return Array.from(ids, (hit, i) => ({ id: hit, score: scores[i] ?? 0 }));
  }

  async matched(query: string, ids: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
    const reply = await this.#ask({ id: this.#next++, query, ids });
    if (!('matched' in reply)) throw new Error('the thread has answered something else');
    return reply.matched;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  async #ask(request: TextRequest): Promise<TextReply> {
    if (this.#closed) throw new Error('the index is closed');
    const worker = this.#begun();
    const { promise, resolve, reject } = Promise.withResolvers<TextReply>();
    this.#waiting.set(request.id, { resolve, reject });
    // While a search waits, the process has to stay.
    worker.ref();
    worker.postMessage(request);
    return promise;
  }

  #begun(): Worker {
    if (this.#worker) return this.#worker;
    // Sources run as they are in development; the build leaves JavaScript.
    const name = import.meta.url.endsWith('.ts') ? './text-thread.ts' : './text-thread.js';
    const worker = new Worker(new URL(name, import.meta.url), { name: 'fulltext', workerData: this.#path });
    worker.on('message', (reply: TextReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('error' in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply);
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
