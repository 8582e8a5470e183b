import type { Manifest } from '../../../pipeline/index.ts';
import type { TaskEnvironment } from '../../../pipeline/run-task.ts';
import type { TaskOf } from '../../../pipeline/task.ts';
import { harvestExecutor, harvestOrder } from '../../harvest.ts';
import type { RunningProcess } from '../../processes.ts';
import type { HarvestOrder } from '../../serve-harvest.ts';

export interface LaneOptions {
  /** Processes of this machine that share the limits of hosts. */
  readonly share: number;
  /** What runs in its process. @default gleaner's own; tests name another */
  readonly file?: URL | undefined;
  readonly onProcess: (running: RunningProcess) => void;
  readonly onProgress: (rows: number) => void;
  /** It can do with another task, or has none any more. */
  readonly onRoom: () => void;
}

interface Open {
  readonly signal: AbortSignal;
  readonly resolve: (manifest: Manifest) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One supervised process that harvests for one run, whatever comes: it is begun with the first task, keeps its engines
 * between two, and is begun anew where an image ends it.
 */
export class Lane {
  /** What it does: tasks of one run, with limits that it was begun with. */
  readonly key: string;
  /** By the tasks' indices. */
  readonly #open = new Map<number, Open>();
  readonly #orders: HarvestOrder[] = [];
  readonly #end = new AbortController();
  readonly #onRoom: () => void;
  readonly #ended: Promise<void>;
  #asked: ((order: HarvestOrder | undefined) => void) | undefined;
  #broken: { readonly error: unknown } | undefined;
  /** By performance.now(). */
  #usedMs = performance.now();

  constructor(key: string, environment: Omit<TaskEnvironment, 'share'>, options: LaneOptions) {
    this.key = key;
    this.#onRoom = options.onRoom;
    const { share, file, onProcess, onProgress } = options;
    this.#ended = harvestExecutor(environment, { workers: 1, share, file })
      .execute(
        this.#source(),
        environment,
        {
          signal: this.#end.signal,
          progress: onProgress,
          onProcess,
          signalOf: ({ index }) => this.#open.get(index)?.signal ?? AbortSignal.abort(new Error('stopped')),
          onFailed: ({ index }, error) => this.#settle(index, (open) => open.reject(error)),
        },
        ({ index }, manifest) => this.#settle(index, (open) => open.resolve(manifest)),
      )
      .then(
        () => this.#break(new Error('closed')),
        (error: unknown) => this.#break(error),
      );
  }

  /** Tasks that it is at. */
  get tasks(): number {
    return this.#open.size;
  }

  /** Whether all rows of its tasks are begun, so that it could begin another. */
  get hungry(): boolean {
    return this.#open.size > 0 && this.#asked !== undefined;
  }

  /** Its engines could not be loaded, or it was closed: it takes nothing more. */
  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** When it was given something, or ended it, the last time, by performance.now(). */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** @throws what the task came to; the reason of `signal` where it was stopped */
  async run(task: TaskOf<'harvest'>, signal: AbortSignal): Promise<Manifest> {
    if (this.#broken) throw this.#broken.error;
    signal.throwIfAborted();
    this.#usedMs = performance.now();
    const order = harvestOrder(task);
    const { promise, resolve, reject } = Promise.withResolvers<Manifest>();
    this.#open.set(task.index, { signal, resolve, reject });
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked) asked(order);
    else this.#orders.push(order);
    try {
      return await promise;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** Ends its process, whatever it is at. */
  async close(): Promise<void> {
    this.#end.abort(new Error('closed'));
    this.#asked?.(undefined);
    await this.#ended;
  }

  #settle(index: number, how: (open: Open) => void): void {
    const open = this.#open.get(index);
    if (!open) return;
    this.#open.delete(index);
    this.#usedMs = performance.now();
    how(open);
    this.#onRoom();
  }

  #break(error: unknown): void {
    this.#broken = { error };
    for (const index of [...this.#open.keys()]) this.#settle(index, (open) => open.reject(error));
  }

  /** No generator: that one could not be told to end while it waits. */
  #source(): AsyncIterable<HarvestOrder> {
    const result = (order: HarvestOrder | undefined): IteratorResult<HarvestOrder, undefined> =>
      order ? { done: false, value: order } : { done: true, value: undefined };
    const next = async () => result(this.#orders.shift() ?? (await this.#ask()));
    const end = async () => {
      this.#asked?.(undefined);
      return result(undefined);
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
  }

  #ask(): Promise<HarvestOrder | undefined> {
    return new Promise((resolve) => {
      this.#asked = resolve;
      this.#onRoom();
    });
  }
}
