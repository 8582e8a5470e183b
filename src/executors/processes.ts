import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJournal } from './journal.ts';
import type { FromProcess, Order, ToProcess } from './orders.ts';
import { errorOf } from './problem.ts';

/**
 * Bodies and pictures lie outside of V8's heap, which is small: left alone, V8 walks it again and again for what grows
 * beside it. A young generation of 4 MiB, a heap that may grow to twice what was found alive, and few arenas of glibc's:
 * docs/decisions.md has the figures.
 */
const EXEC_ARGV = ['--max-semi-space-size=4', '--heap-growing-percent=100'];

/** A process that gives no sign of life for so long, in milliseconds, is taken for stuck, and ended. */
const SILENCE_MS = 180_000;
/** Deaths in which no image was in work, after which an order is given up. */
const BLAMELESS_DEATHS = 3;
/** Deaths after which it is given up whatever was in work. */
const MAX_DEATHS = 40;

export interface ProcessExecutorOptions {
  /** Processes that work side by side, at most. */
  readonly workers: number;
  /** What runs in a process: a file that calls `serveOrders`. */
  readonly file: URL;
  /** Orders that a process has open: another is begun when all rows of those before are. */
  readonly openOrders: number;
  /** A process that gives no sign of life for so long, in milliseconds, is taken for stuck, and ended. @default 180_000 */
  readonly silenceMs?: number;
  /** What the work is called in errors, as 'download'; one that is one order has no name: its errors are told as they are. */
  readonly name?: string;
  /** Processes that share the limits of hosts, where others beside these work. @default as many as there are orders */
  readonly share?: number;
}

/** A process that works on orders. */
export interface RunningProcess {
  readonly pid: number;
  /** Ends it now; its orders are not begun anew, but refused with this reason. */
  end(reason: Error): void;
}

interface Hooks<O> {
  readonly signal: AbortSignal;
  readonly progress?: (done: number) => void;
  /** How far the order is: rows, and the share of all that they are, 0 to 1. */
  readonly at?: (done: number, share: number) => void;
  /** Stops one order, and none of the others. @default none is stopped so */
  readonly signalOf?: (order: O) => AbortSignal;
  /** Told of each order that fails. @default the first that fails ends all, but for those whose process died: see `execute` */
  readonly onFailed?: (order: O, error: unknown) => void;
  /** Told of each process that is begun. */
  readonly onProcess?: (running: RunningProcess) => void;
}
type OnDone<O, R> = (order: O, result: R) => void | Promise<void>;
/** An order that could not be done. */
interface Failure {
  readonly index: number;
  readonly problem: string;
}

/** Works on orders in processes of their own; `share` of each environment is the number of processes. */
export interface ProcessExecutor<O extends Order, E, R> {
  /**
   * @param orders asked for one by one, as there is room for them; they may come as slowly as they like
   * @param onDone called with each order as it ends, and awaited
   * @returns what could not be done; all else is done then
   */
  execute(
    orders: AsyncIterable<O>,
    environment: E,
    hooks: Hooks<O>,
    onDone: OnDone<O, R>,
  ): Promise<readonly Failure[]>;
}

/**
 * Works on orders in processes of their own, so that a decoder that crashes or takes all memory ends a process and not
 * the whole. The orders that it had are begun anew: the images that were in work are then worked on alone, and one
 * that ends a process again is marked and left out. No more processes are begun than there are orders.
 */
export function processExecutor<O extends Order, E, R>(
  options: ProcessExecutorOptions,
): ProcessExecutor<O, E, R> {
  const { workers } = options;
  return {
    async execute(orders, environment, hooks, onDone) {
      const folder = await mkdtemp(join(tmpdir(), 'gleaner-journals-'));
      const source = orders[Symbol.asyncIterator]();
      const first: O[] = [];
      // Looked at before processes are told their share of the limits: it may be one order alone.
      while (first.length < workers) {
        const next = await source.next();
        if (next.done) break;
        first.push(next.value);
      }
      const stop = new AbortController();
      const signal = AbortSignal.any([hooks.signal, stop.signal]);
      const failures: Failure[] = [];
      let reading: Promise<unknown> = Promise.resolve();
      /** One after the other: a source is asked for one thing at a time. */
      const take = (): Promise<O | undefined> => {
        const taken = reading.then(async () => first.shift() ?? ordersLeft(await source.next()));
        reading = taken.catch(() => undefined);
        return taken;
      };
      const processes = Math.max(1, first.length);
      const share = options.share ?? processes;
      const slots = Array.from({ length: processes }, (_, i) => {
        const journal = join(folder, String(i));
        const supervised = new Supervised(
          options,
          { ...environment, share },
          journal,
          { ...hooks, signal },
          onDone,
        );
        return supervised.serve(take, failures).catch((error: unknown) => {
          stop.abort(error);
          throw error;
        });
      });
      try {
        await Promise.all(slots);
        return failures.sort((one, other) => one.index - other.index);
      } catch (error) {
        await Promise.allSettled(slots);
        throw hooks.signal.aborted ? hooks.signal.reason : error;
      } finally {
        await source.return?.();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

function ordersLeft<O>(next: IteratorResult<O, unknown>): O | undefined {
  return next.done ? undefined : next.value;
}

interface OpenOrder<O> {
  readonly order: O;
  readonly deaths: number;
  readonly blameless: number;
  /** How the process died the last time. */
  readonly last: string;
  hungry: boolean;
}

/** One process after the other, and the orders that it is at. */
class Supervised<O extends Order, E, R> {
  readonly #options: ProcessExecutorOptions;
  readonly #environment: E;
  readonly #journal: string;
  readonly #hooks: Hooks<O>;
  readonly #onDone: OnDone<O, R>;
  readonly #open = new Map<number, OpenOrder<O>>();
  /** Orders to begin, or to begin anew. */
  readonly #waiting: OpenOrder<O>[] = [];
  #child: ChildProcess | undefined;
  #heard = 0;
  /** Why the process is being ended, where that is known. */
  #stuck: string | undefined;
  #broken: { readonly error: unknown } | undefined;
  /** Called when something has changed. */
  #wake: () => void = () => undefined;

  constructor(
    options: ProcessExecutorOptions,
    environment: E,
    journal: string,
    hooks: Hooks<O>,
    onDone: OnDone<O, R>,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#journal = journal;
    this.#hooks = hooks;
    this.#onDone = onDone;
  }

  /** Works on what `take` gives until it gives nothing more. */
  async serve(take: () => Promise<O | undefined>, failures: Failure[]): Promise<void> {
    const { signal } = this.#hooks;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    const { silenceMs = SILENCE_MS } = this.#options;
    const watch = setInterval(() => {
      if (!this.#child || performance.now() - this.#heard <= silenceMs) return;
      this.#stuck = `no sign of life for ${Math.ceil(silenceMs / 1000)} s`;
      this.#child.kill('SIGKILL');
    }, silenceMs / 10);
    try {
      let more = true;
      let taking = false;
      const taken = (order: O | undefined) => {
        taking = false;
        if (order) this.#waiting.push({ order, deaths: 0, blameless: 0, last: '', hungry: false });
        else more = false;
        this.#wake();
      };
      for (;;) {
        signal.throwIfAborted();
        if (this.#broken) throw this.#broken.error;
        const next = this.#waiting.shift();
        if (next) {
          this.#begin(next, failures);
          continue;
        }
        if (this.#open.size === 0 && !more) return;
        if (more && !taking && this.#hasRoom()) {
          taking = true;
          // Not awaited: the process may die meanwhile, and its orders are to be begun anew.
          take().then(taken, (error: unknown) => this.#break(error));
        }
        await this.#change();
      }
    } finally {
      signal.removeEventListener('abort', wake);
      clearInterval(watch);
      await this.#end();
    }
  }

  #hasRoom(): boolean {
    const open = [...this.#open.values()];
    return open.length < this.#options.openOrders && open.every(({ hungry }) => hungry);
  }

  #begin(open: OpenOrder<O>, failures: Failure[]): void {
    const { order } = open;
    const { index } = order;
    const stop = this.#hooks.signalOf?.(order);
    if (stop?.aborted) {
      this.#hooks.onFailed?.(order, stop.reason);
      return;
    }
    if (open.blameless >= BLAMELESS_DEATHS || open.deaths >= MAX_DEATHS) {
      const problem = `its process died ${open.deaths} times (the last time: ${open.last}). Is there enough memory?`;
      failures.push({ index, problem });
      this.#hooks.onFailed?.(order, errorOf({ problem }, this.#nameOf(index)));
      return;
    }
    this.#open.set(index, open);
    stop?.addEventListener('abort', () => this.#send({ kind: 'stop', index }), { once: true });
    this.#child ??= this.#start();
    this.#send({ kind: 'order', order });
  }

  #send(message: ToProcess<O, E>): void {
    // A process that is gone is noticed by its exit; what it was told then is told to the next.
    this.#child?.send(message, () => undefined);
  }

  #start(): ChildProcess {
    const child = fork(this.#options.file, {
      serialization: 'advanced',
      execArgv: [...EXEC_ARGV],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(availableParallelism() + 4), MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#heard = performance.now();
    this.#stuck = undefined;
    child.on('message', (message: FromProcess<R>) => {
      this.#heard = performance.now();
      this.#hear(message).catch((error: unknown) => this.#break(error));
    });
    child.once('error', (error) => this.#break(error));
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#bury(this.#stuck ?? signal ?? `status ${code}`);
    });
    this.#child = child;
    this.#send({ kind: 'begin', environment: this.#environment, journal: this.#journal });
    const { pid } = child;
    if (pid !== undefined)
      this.#hooks.onProcess?.({ pid, end: (reason) => this.#child === child && this.#give(child, reason) });
    return child;
  }

  /** Ends a process whose orders are for others. */
  #give(child: ChildProcess, reason: Error): void {
    child.kill('SIGKILL');
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { order } of open) this.#hooks.onFailed?.(order, reason);
  }

  async #hear(message: FromProcess<R>): Promise<void> {
    switch (message.kind) {
      case 'alive':
        return;
      case 'done':
        this.#hooks.progress?.(message.rows);
        return;
      case 'at':
        this.#hooks.at?.(message.done, message.share);
        return;
      case 'hungry': {
        const open = this.#open.get(message.index);
        if (open) open.hungry = true;
        this.#wake();
        return;
      }
      case 'refused':
        throw errorOf(message, this.#options.name);
      case 'ended':
        await this.#ended(message.index, message.result);
        return;
      case 'stuck':
        this.#stuck = message.problem;
        return;
      case 'failed': {
        const task = this.#nameOf(message.index);
        const { onFailed } = this.#hooks;
        if (onFailed) {
          const open = this.#open.get(message.index);
          this.#open.delete(message.index);
          if (open) onFailed(open.order, errorOf(message, undefined));
          this.#wake();
          return;
        }
        if (!message.told) throw new Error(`${task}: ${message.problem}`);
        throw errorOf(message, task);
      }
    }
  }

  #nameOf(index: number): string | undefined {
    const { name } = this.#options;
    return name === undefined ? name : `${name}/${String(index).padStart(5, '0')}`;
  }

  async #ended(index: number, result: R): Promise<void> {
    const open = this.#open.get(index);
    if (!open) return;
    await this.#onDone(open.order, result);
    this.#open.delete(index);
    this.#wake();
  }

  /** The process is gone: what it had open is to be begun anew, with more care. */
  #bury(how: string): void {
    const inWork = readJournal(this.#journal);
    const last = inWork.length === 0 ? `${how}, with no image in work` : how;
    for (const [index, open] of this.#open) {
      const rows = inWork.filter(({ shard }) => shard === index).map(({ row }) => row);
      this.#waiting.push({ ...afterDeath(open, rows, inWork.length), last, hungry: false });
    }
    this.#open.clear();
    this.#wake();
  }

  #break(error: unknown): void {
    this.#broken ??= { error };
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

/**
 * How an order is begun anew after its process died.
 *
 * @param rows of this order that were in work
 * @param inWork images of all orders that were
 */
export function afterDeath<O extends Order>(
  { order, deaths, blameless }: Pick<OpenOrder<O>, 'order' | 'deaths' | 'blameless'>,
  rows: readonly number[],
  inWork: number,
): Pick<OpenOrder<O>, 'order' | 'deaths' | 'blameless'> {
  const [only] = rows;
  // The first time it may have been chance, or another: it is to die alone before it is blamed.
  const guilty = inWork === 1 && only !== undefined && order.suspects.includes(only) ? only : undefined;
  const fatal = guilty === undefined ? order.fatal : [...order.fatal, guilty];
  const suspects = [...new Set([...order.suspects, ...rows])].filter((row) => !fatal.includes(row));
  return {
    order: { ...order, suspects, fatal },
    deaths: deaths + 1,
    blameless: inWork === 0 ? blameless + 1 : blameless,
  };
}
