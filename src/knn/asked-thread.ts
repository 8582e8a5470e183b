import { Worker } from 'node:worker_threads';

/** What a thread answers: the `id` of what it was asked, and the answer, or why there is none. */
export type ThreadReply<Answer> = { readonly id: number } & (
  | { readonly answer: Answer }
  | { readonly error: string }
);

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that answers what it is asked, by `ThreadReply`, in the order in which it was asked. It is begun with the first
 * request, and again where it ended by itself; the process stays for it only while somebody waits.
 */
export class AskedThread<Request extends object, Answer> {
  readonly #file: URL;
  readonly #name: string;
  readonly #data: unknown;
  readonly #waiting = new Map<number, Waiting<Answer>>();
  #worker: Worker | undefined;
  #next = 0;
  #closed = false;

  /**
   * @param file of the thread
   * @param name of it, for people
   * @param data its `workerData`
   */
  constructor(file: URL, name: string, data: unknown) {
    this.#file = file;
    this.#name = name;
    this.#data = data;
  }

  /** Requests without an answer yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** @throws Error what the thread says, or that it is closed */
  ask(request: Request): Promise<Answer> {
    if (this.#closed) return Promise.reject(new Error('the index is closed'));
    const worker = this.#begun();
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { resolve, reject });
    // While a request waits, the process has to stay.
    worker.ref();
    worker.postMessage({ ...request, id });
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #begun(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(this.#file, { name: this.#name, workerData: this.#data });
    worker.on('message', (reply: ThreadReply<Answer>) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('error' in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.answer);
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
