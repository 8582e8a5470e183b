import { mkdir, readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GleanerError } from '../schema/index.ts';
import { readLayout, writeLayout } from './layout.ts';
import type { KnnBatch, KnnEngine, KnnHit, KnnIndex, KnnSearchOptions, KnnStats } from './types.ts';
import type { ZvecCall, ZvecCalls, ZvecReply } from './zvec-calls.ts';
import { parsePlan, planZvec, type ZvecPlan } from './zvec-plan.ts';

/** Folder of zvec's own files inside an index. They change when it is opened, even for reading: no checksums on them. */
const COLLECTION = 'zvec';

/**
 * The vector database zvec (https://zvec.org, Apache-2.0) in a thread of its own. It keeps the vectors as float32,
 * memory-mapped; what `search` returns is measured on those, never taken from the codes (the score that zvec
 * returns for IVF-RaBitQ is an estimate less 1).
 */
export const zvecEngine: KnnEngine = {
  name: 'zvec',
  async build(path, { dimension, rows, threads = 2, signal }, batches) {
    await mkdir(path);
    const plan = planZvec(rows);
    const thread = new ZvecThread();
    try {
      await thread.call('create', { path: join(path, COLLECTION), dimension, plan, threads });
      for await (const batch of batches) {
        signal?.throwIfAborted();
        await thread.call('add', batch);
      }
      signal?.throwIfAborted();
      await thread.call('train', { threads });
      const stats = await new ZvecIndex(thread, dimension, plan, await zvecVersion()).stats();
      await thread.call('close', undefined);
      await writeLayout(path, stats);
      return stats;
    } finally {
      await thread.end();
    }
  },
  async open(path, { readOnly = true } = {}) {
    const { engine, version, dimension, parameters } = await readLayout(path);
    const plan = parsePlan(parameters);
    if (engine !== 'zvec' || !plan)
      throw new GleanerError('DAMAGED', { path, problem: `is an index of ${engine} that zvec cannot open.` });
    const thread = new ZvecThread();
    try {
      await thread.call('open', { path: join(path, COLLECTION), dimension, plan, readOnly });
    } catch (cause) {
      await thread.end();
      const problem = `cannot be opened (${cause instanceof Error ? cause.message : String(cause)}).`;
      throw new GleanerError('DAMAGED', { path, problem }, { cause });
    }
    return new ZvecIndex(thread, dimension, plan, version);
  },
};

async function zvecVersion(): Promise<string> {
  const path = findPackageJSON('@zvec/zvec', import.meta.url);
  const parsed: unknown = path ? JSON.parse(await readFile(path, 'utf8')) : undefined;
  return typeof parsed === 'object' && parsed && 'version' in parsed ? String(parsed.version) : 'unknown';
}

class ZvecIndex implements KnnIndex {
  readonly dimension: number;
  readonly #thread: ZvecThread;
  readonly #plan: ZvecPlan;
  readonly #version: string;

  constructor(thread: ZvecThread, dimension: number, plan: ZvecPlan, version: string) {
    this.#thread = thread;
    this.dimension = dimension;
    this.#plan = plan;
    this.#version = version;
  }

  async add(batch: KnnBatch): Promise<void> {
    await this.#thread.call('add', batch);
  }

  remove(ids: readonly number[]): Promise<number> {
    return this.#thread.call('remove', { ids });
  }

  async search(vector: Float32Array, options: KnnSearchOptions): Promise<readonly KnnHit[]> {
    const { ids, cosines, vectors } = await this.#thread.call('search', { vector, options });
    return ids.map((id, i) => {
      const hit: KnnHit = { id, cosine: cosines[i] ?? 0 };
      return options.vectors ? { ...hit, vector: this.#row(vectors, i) } : hit;
    });
  }

  async fetch(ids: readonly number[]): Promise<ReadonlyMap<number, Float32Array>> {
    const found = await this.#thread.call('fetch', { ids });
    return new Map(found.ids.map((id, i) => [id, this.#row(found.vectors, i)]));
  }

  async stats(): Promise<KnnStats> {
    const rows = await this.#thread.call('rows', undefined);
    return {
      engine: 'zvec',
      version: this.#version,
      rows,
      dimension: this.dimension,
      parameters: { ...this.#plan },
    };
  }

  async close(): Promise<void> {
    if (this.#thread.ended) return;
    try {
      await this.#thread.call('close', undefined);
    } finally {
      await this.#thread.end();
    }
  }

  #row(vectors: Float32Array, i: number): Float32Array {
    return vectors.subarray(i * this.dimension, (i + 1) * this.dimension);
  }
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A worker thread and the calls that wait for its answer. */
class ZvecThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended = false;

  constructor() {
    // Sources run as they are in development; the build leaves JavaScript.
    const name = import.meta.url.endsWith('.ts') ? './zvec-worker.ts' : './zvec-worker.js';
    this.#worker = new Worker(new URL(name, import.meta.url), { name: 'knn' });
    this.#worker.on('message', (reply: ZvecReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (reply.ok) waiting?.resolve(reply.value as never);
      else waiting?.reject(new (reply.kind === 'range' ? RangeError : Error)(reply.message));
    });
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the index is closed')));
    this.#worker.unref();
  }

  get ended(): boolean {
    return this.#ended;
  }

  call<C extends ZvecCall>(call: C, args: ZvecCalls[C]['args']): Promise<ZvecCalls[C]['result']> {
    if (this.#ended) return Promise.reject(new Error('the index is closed'));
    const id = this.#next++;
    return new Promise<ZvecCalls[C]['result']>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // While a call waits, the process has to stay.
      this.#worker.ref();
      this.#worker.postMessage({ id, call, args });
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
