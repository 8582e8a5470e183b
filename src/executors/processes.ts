import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShardExecutor } from '../pipeline/download/run.ts';
import type { ShardEnvironment, ShardOrder, ShardResult } from '../pipeline/download/runner.ts';
import { GleanerError } from '../schema/index.ts';
import { readJournal } from './journal.ts';
import type { FromShardProcess, ToShardProcess } from './shard-process.ts';

/** The process's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const FILE = new URL(
  import.meta.url.endsWith('.ts') ? './shard-process.ts' : './shard-process.js',
  import.meta.url,
);

/**
 * Bodies and pictures lie outside of V8's heap and are freed with their small handles on it: with a young generation of a
 * few megabytes, and few arenas of glibc's, a process stays 100 MB smaller (docs/decisions.md).
 */
const EXEC_ARGV = ['--max-semi-space-size=4'];

/** Shards that a process has open: the slow answers at the end of one are waited for while the next is begun. */
const OPEN_SHARDS = 3;
/** A process that gives no sign of life for so long, in milliseconds, is taken for stuck, and ended. */
const SILENCE_MS = 180_000;
/** Deaths in which no image was in work, after which a shard is given up. */
const BLAMELESS_DEATHS = 3;
/** Deaths after which it is given up whatever was in work. */
const MAX_DEATHS = 40;

export interface ProcessExecutorOptions {
  /** Processes that work side by side. @default one for two cores: each fetches in one thread and decodes in others */
  readonly workers?: number;
  /** What runs in a process. @default gleaner's own */
  readonly file?: URL;
}

type Hooks = Parameters<ShardExecutor['execute']>[2];
type OnDone = Parameters<ShardExecutor['execute']>[3];

/**
 * Downloads shards in processes of their own, so that a decoder that crashes or takes all memory ends a process and not
 * the download. The shards that it had are begun anew: the images that were in work are then worked on alone, and one
 * that ends a process again is marked and left out.
 */
export function processExecutor(options: ProcessExecutorOptions = {}): ShardExecutor {
  const { workers = Math.max(1, Math.ceil(availableParallelism() / 2)), file = FILE } = options;
  return {
    async execute(orders, environment, hooks, onDone) {
      const folder = await mkdtemp(join(tmpdir(), 'gleaner-journals-'));
      const source = orders[Symbol.asyncIterator]();
      const first: ShardOrder[] = [];
      // Looked at before processes are told their share of the limits: it may be one shard alone.
      while (first.length < workers) {
        const next = await source.next();
        if (next.done) break;
        first.push(next.value);
      }
      const stop = new AbortController();
      const signal = AbortSignal.any([hooks.signal, stop.signal]);
      const failures: { index: number; problem: string }[] = [];
      let reading: Promise<unknown> = Promise.resolve();
      /** One after the other: a source is asked for one thing at a time. */
      const take = (): Promise<ShardOrder | undefined> => {
        const taken = reading.then(async () => first.shift() ?? ordersLeft(await source.next()));
        reading = taken.catch(() => undefined);
        return taken;
      };
      const share = Math.max(1, first.length);
      const slots = Array.from({ length: share }, (_, i) => {
        const journal = join(folder, String(i));
        const supervised = new Supervised(
          file,
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

function ordersLeft(next: IteratorResult<ShardOrder, unknown>): ShardOrder | undefined {
  return next.done ? undefined : next.value;
}

interface OpenShard {
  readonly order: ShardOrder;
  readonly deaths: number;
  readonly blameless: number;
  hungry: boolean;
}

/** One process after the other, and the shards that it is at. */
class Supervised {
  readonly #file: URL;
  readonly #environment: ShardEnvironment;
  readonly #journal: string;
  readonly #hooks: Hooks;
  readonly #onDone: OnDone;
  readonly #open = new Map<number, OpenShard>();
  readonly #again: OpenShard[] = [];
  #child: ChildProcess | undefined;
  #heard = 0;
  #broken: { readonly error: unknown } | undefined;
  /** Called when something has changed. */
  #wake: () => void = () => undefined;

  constructor(file: URL, environment: ShardEnvironment, journal: string, hooks: Hooks, onDone: OnDone) {
    this.#file = file;
    this.#environment = environment;
    this.#journal = journal;
    this.#hooks = hooks;
    this.#onDone = onDone;
  }

  /** Works on what `take` gives until it gives nothing more. */
  async serve(
    take: () => Promise<ShardOrder | undefined>,
    failures: { index: number; problem: string }[],
  ): Promise<void> {
    const { signal } = this.#hooks;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    const watch = setInterval(() => {
      if (this.#child && performance.now() - this.#heard > SILENCE_MS) this.#child.kill('SIGKILL');
    }, SILENCE_MS / 10);
    try {
      for (let more = true; ; ) {
        signal.throwIfAborted();
        if (this.#broken) throw this.#broken.error;
        const again = this.#again.shift();
        if (again) this.#begin(again, failures);
        else if (more && this.#hasRoom()) {
          const order = await take();
          if (order) this.#begin({ order, deaths: 0, blameless: 0, hungry: false }, failures);
          else more = false;
        } else if (this.#open.size === 0 && !more) return;
        else await this.#change();
      }
    } finally {
      signal.removeEventListener('abort', wake);
      clearInterval(watch);
      await this.#end();
    }
  }

  #hasRoom(): boolean {
    const open = [...this.#open.values()];
    return open.length < OPEN_SHARDS && open.every(({ hungry }) => hungry);
  }

  #begin(shard: OpenShard, failures: { index: number; problem: string }[]): void {
    const { index } = shard.order;
    if (shard.blameless >= BLAMELESS_DEATHS || shard.deaths >= MAX_DEATHS) {
      const times = Math.max(shard.deaths, shard.blameless);
      failures.push({ index, problem: `its process died ${times} times. Is there enough memory?` });
      return;
    }
    this.#open.set(index, shard);
    this.#child ??= this.#start();
    this.#send({ kind: 'order', order: shard.order });
  }

  #send(message: ToShardProcess): void {
    // A process that is gone is noticed by its exit; what it was told then is told to the next.
    this.#child?.send(message, () => undefined);
  }

  #start(): ChildProcess {
    const child = fork(this.#file, {
      serialization: 'advanced',
      execArgv: [...EXEC_ARGV],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(availableParallelism() + 4), MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#heard = performance.now();
    child.on('message', (message: FromShardProcess) => {
      this.#heard = performance.now();
      this.#hear(message).catch((error: unknown) => this.#break(error));
    });
    child.once('error', (error) => this.#break(error));
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#bury(`${signal ?? `status ${code}`}`);
    });
    this.#child = child;
    this.#send({ kind: 'begin', environment: this.#environment, journal: this.#journal });
    return child;
  }

  async #hear(message: FromShardProcess): Promise<void> {
    switch (message.kind) {
      case 'alive':
        return;
      case 'done':
        this.#hooks.progress(message.rows);
        return;
      case 'hungry': {
        const shard = this.#open.get(message.index);
        if (shard) shard.hungry = true;
        this.#wake();
        return;
      }
      case 'refused':
        throw message.usage
          ? new GleanerError('USAGE', { problem: message.problem })
          : new GleanerError('TASK_FAILED', { task: 'download', problem: message.problem });
      case 'ended':
        await this.#ended(message.index, message.result);
        return;
      case 'failed':
        if (!message.told) throw new Error(`shard ${message.index}: ${message.problem}`);
        throw new GleanerError('TASK_FAILED', {
          task: `download/${message.index}`,
          problem: message.problem,
        });
    }
  }

  async #ended(index: number, result: ShardResult): Promise<void> {
    const shard = this.#open.get(index);
    if (!shard) return;
    await this.#onDone(shard.order, result);
    this.#open.delete(index);
    this.#wake();
  }

  /** The process is gone: what it had open is to be begun anew, with more care. */
  #bury(_how: string): void {
    const inWork = readJournal(this.#journal);
    for (const [index, shard] of this.#open) {
      const rows = inWork.filter(({ shard: its }) => its === index).map(({ row }) => row);
      this.#again.push(afterDeath(shard, rows, inWork.length));
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
 * How a shard is begun anew after its process died.
 *
 * @param rows of this shard that were in work
 * @param inWork images of all shards that were
 */
export function afterDeath(
  { order, deaths, blameless }: Pick<OpenShard, 'order' | 'deaths' | 'blameless'>,
  rows: readonly number[],
  inWork: number,
): OpenShard {
  const [only] = rows;
  // The first time it may have been chance, or another: it is to die alone before it is blamed.
  const guilty = inWork === 1 && only !== undefined && order.suspects.includes(only) ? only : undefined;
  const fatal = guilty === undefined ? order.fatal : [...order.fatal, guilty];
  const suspects = [...new Set([...order.suspects, ...rows])].filter((row) => !fatal.includes(row));
  return {
    order: { ...order, suspects, fatal },
    deaths: deaths + 1,
    blameless: inWork === 0 ? blameless + 1 : blameless,
    hungry: false,
  };
}
