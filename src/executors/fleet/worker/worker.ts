import { randomBytes } from 'node:crypto';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { GLEANER_VERSION } from '../../../config/version.ts';
import { STAGES, type StageName } from '../../../pipeline/index.ts';
import { GleanerError } from '../../../schema/index.ts';
import type { RunningProcess } from '../../processes.ts';
import { isControl } from '../control.ts';
import { Database } from '../database.ts';
import { CONTROL_QUEUES, type QueueName, queuesOf, TOUCH_SECONDS } from '../queues.ts';
import { type LeasedTask, TaskQueue } from '../task-queue.ts';
import { auditBeside } from './audits.ts';
import { Bell, within } from './bell.ts';
import { BundleCache } from './bundle-cache.ts';
import { isOfDatabase } from './failure.ts';
import { findGpu } from './gpu.ts';
import { Lease, Stopped } from './lease.ts';
import { memoryOfMachine } from './memory.ts';
import { MemoryWatch } from './memory-watch.ts';
import { Progress } from './progress.ts';
import { RunCopies } from './run-copies.ts';
import { Slots } from './slots.ts';
import { slotsFor, WORKER_BYTES } from './stage-needs.ts';
import { TaskDoer } from './task-doer.ts';
import { type LogFormat, openLog } from './worker-log.ts';
import { WorkerMetrics } from './worker-metrics.ts';
import { slotsThatFetch, type WorkerIdentity, type WorkerState, writeWorker } from './worker-row.ts';

export interface WorkerOptions {
  /** URL of the fleet's database. */
  readonly database: string;
  /** What it takes. @default all stages */
  readonly stages?: readonly StageName[];
  /** Takes harvest of runs whose networks need a GPU, too. @default false */
  readonly gpu?: boolean;
  /** Tasks side by side, at most. @default the number of cores */
  readonly workers: number;
  /** Memory of the worker and its processes, in bytes. @default the limit of its cgroup, else the machine's */
  readonly memoryBytes?: number;
  /** Where copies of models and lists lie; workers of a machine may share it. @default below the system's temporary folder */
  readonly cache?: string;
  /** What is under way gets so long to end when the worker is to stop, in milliseconds. @default 25_000 */
  readonly graceMs?: number;
  /** What people call it. @default the name of its machine */
  readonly name?: string;
  /** Ends when there was nothing to do for so long, in milliseconds. @default never */
  readonly exitWhenIdleMs?: number;
  /** @default 'json' */
  readonly log?: LogFormat;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL;
}

/** First and longest wait between two looks for tasks, in milliseconds. */
const POLL_MS = 1_000;
const MAX_POLL_MS = 5_000;
/** How often it writes down how it is, in milliseconds. */
const ROW_MS = 10_000;
const GRACE_MS = 25_000;
/** What is stopped gets so long to remove what it has half written, in milliseconds: with `GRACE_MS` less than the 30 s of Kubernetes. */
const TIDY_MS = 3_000;
/** A database that does not answer in so long, in milliseconds, is not there. */
const READY_MS = 2_000;
/** Gates and plans that are taken together. */
const CONTROL_TASKS = 8;

/** A machine's part in a fleet: takes tasks as it has room for them, does them, and says what became of them. */
export class Worker implements AsyncDisposable {
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
  readonly identity: WorkerIdentity;
  readonly #options: WorkerOptions;
  readonly #database: Database;
  readonly #queue: TaskQueue;
  readonly #queues: readonly QueueName[];
  readonly #copies: RunCopies;
  readonly #slots: Slots;
  readonly #doer: TaskDoer;
  readonly #memory: MemoryWatch;
  readonly #progress = new Progress();
  /** What it has, each with the promise that it is ended. */
  readonly #leases = new Map<Lease, Promise<void>>();
  #draining = false;
  /** Since it asked last for what depends on what is done. */
  #someEnded = false;
  /** Why it cannot go on. */
  #broken: { readonly error: unknown } | undefined;
  readonly #bell = new Bell();
  #asked: Promise<unknown> | undefined;

  private constructor(database: Database, options: WorkerOptions) {
    const { stages = STAGES, gpu = false, memoryBytes = memoryOfMachine(), name = hostname() } = options;
    const host = hostname();
    this.#options = options;
    this.#database = database;
    this.#queue = new TaskQueue(database);
    this.#queues = queuesOf(stages, gpu);
    const cache = options.cache ?? join(tmpdir(), 'gleaner-cache');
    this.#copies = new RunCopies(database, new BundleCache(cache));
    this.#memory = new MemoryWatch({
      limitBytes: memoryBytes,
      onOver: (grown) => this.#makeRoom(grown),
      onRoom: () => this.#bell.ring(),
    });
    this.#slots = new Slots({
      slots: slotsFor(stages, options.workers, memoryBytes),
      processFile: options.processFile,
      onProcess: (running) => this.#memory.add(running),
      onHarvested: (rows) => this.#progress.done('harvest', rows),
      onRoom: () => this.#bell.ring(),
    });
    this.metrics = new WorkerMetrics({
      busy: () => this.#leases.size,
      memoryBytes: () => this.#memory.bytes,
    });
    this.identity = {
      id: `${host}-${process.pid}-${randomBytes(4).toString('hex')}`,
      ...{ name, host, pid: process.pid, stages, gpu },
      version: GLEANER_VERSION,
      memoryLimitBytes: memoryBytes,
    };
    this.log = openLog(options.log ?? 'json', { worker: this.identity.id });
    this.#doer = new TaskDoer({
      ...{ database, queue: this.#queue, copies: this.#copies, slots: this.#slots },
      ...{ progress: this.#progress, metrics: this.metrics, log: this.log, worker: this.identity },
      onBroken: (error) => this.#break(error),
    });
  }

  /**
   * Joins a fleet.
   * @throws GleanerError of the database; NO_GPU where one is promised, and none works
   */
  static async open(options: WorkerOptions): Promise<Worker> {
    if (options.gpu) await findGpu();
    const { memoryBytes = memoryOfMachine() } = options;
    if (memoryBytes < WORKER_BYTES)
      throw new GleanerError('USAGE', {
        problem: `--memory: a worker takes ${Math.ceil(WORKER_BYTES / (1 << 20))}MiB by itself; give it more.`,
      });
    const database = await Database.open(options.database);
    const worker = new Worker(database, options);
    try {
      await worker.#beat();
    } catch (error) {
      await worker[Symbol.asyncDispose]();
      throw error;
    }
    const { name, stages, gpu, memoryLimitBytes } = worker.identity;
    worker.log.info({ name, stages, gpu, slots: worker.#slots.slots, memoryLimitBytes }, 'started');
    return worker;
  }

  /** Whether it takes tasks, and its database answers. */
  async isReady(): Promise<boolean> {
    if (this.#draining || this.#broken) return false;
    let answers = false;
    // One question at a time: a database that is away is waited for, by each that is asked.
    this.#asked ??= this.#database.query('SELECT 1').finally(() => {
      this.#asked = undefined;
    });
    const told = this.#asked.then(
      () => {
        answers = true;
      },
      () => undefined,
    );
    await within(READY_MS, told);
    return answers;
  }

  /**
   * Works until it is told to stop: then it takes no more, waits for what it is at as long as its grace is, and gives back the rest.
   *
   * @throws GleanerError where it cannot go on, with its tasks given back: no room on a disk, a storage or a database that refuses
   */
  async work(signal: AbortSignal): Promise<void> {
    const drain = () => {
      this.#draining = true;
      this.#bell.ring();
    };
    signal.addEventListener('abort', drain, { once: true });
    if (signal.aborted) drain();
    const timers = [
      this.#every(TOUCH_SECONDS * 1000, () => this.#touch()),
      this.#every(ROW_MS, () => this.#beat()),
    ];
    const endAudits = auditBeside(this, this.#database, this.#copies, signal);
    try {
      await this.#takeTasks();
      if (!this.#broken) await this.#drain();
    } catch (error) {
      this.#break(error);
    }
    try {
      await Promise.all([this.#stopAll(), within(TIDY_MS, endAudits())]);
      if (!isOfDatabase(this.#broken?.error)) await this.#tell('gone');
    } finally {
      for (const timer of timers) clearInterval(timer);
      signal.removeEventListener('abort', drain);
    }
    if (this.#broken) throw this.#broken.error;
    this.log.info('stopped');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#memory[Symbol.dispose]();
    await this.#slots[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
  }

  async #takeTasks(): Promise<void> {
    let idleSinceMs = performance.now();
    for (let waitMs = POLL_MS; !this.#draining && !this.#broken; ) {
      const taken = await this.#takeSoon();
      if (taken.length > 0) waitMs = POLL_MS;
      if (taken.length > 0 || this.#leases.size > 0) idleSinceMs = performance.now();
      if (this.#draining) {
        await this.#queue.giveBack(taken);
        return;
      }
      for (const task of taken) this.#begin(task);
      const { exitWhenIdleMs } = this.#options;
      if (exitWhenIdleMs !== undefined && performance.now() - idleSinceMs >= exitWhenIdleMs) return;
      // Where there was something, there may be more.
      if (taken.length > 0 && this.#slots.free > 0) continue;
      const rang = await this.#bell.wait(waitMs * (0.75 + Math.random() / 2));
      // What ended here may be the last that others wait for.
      waitMs = rang ? POLL_MS : Math.min(MAX_POLL_MS, waitMs * 1.5);
      await this.#slots.sweep();
    }
  }

  /**
   * Takes what there is room for. What ended here may be the last that others wait for: where nothing else is left to take,
   * the queue is told to look at once for what depends on it, which it does every two seconds by itself.
   */
  async #takeSoon(): Promise<readonly LeasedTask[]> {
    const taken = await this.#take();
    if (taken.length > 0 || !this.#someEnded) return taken;
    this.#someEnded = false;
    await this.#database.persevere(() => this.#database.boss.resolveFlow());
    return this.#take();
  }

  /** Takes what there is room for: gates and plans always, since others wait for them. */
  async #take(): Promise<readonly LeasedTask[]> {
    const queues = await this.#queue.busy(this.#queues);
    const isControlQueue = (queue: QueueName) => CONTROL_QUEUES.some((name) => name === queue);
    const control = await this.#queue.take(queues.filter(isControlQueue), CONTROL_TASKS);
    if (this.#memory.tight) return control;
    const { free, hungry } = this.#slots;
    const roomFor = (queue: QueueName) => {
      if (free > 0) return free;
      if (queue === 'fetch') return hungry.fetch;
      return queue === 'harvest' || queue === 'harvest-gpu' ? hungry.harvest : 0;
    };
    for (const queue of queues.filter((name) => !isControlQueue(name) && roomFor(name) > 0)) {
      const tasks = await this.#queue.take([queue], roomFor(queue), this.#copies.left);
      if (tasks.length > 0) return [...control, ...tasks];
    }
    return control;
  }

  #begin(task: LeasedTask): void {
    const lease = new Lease(task);
    this.#progress.task(task.stage, 1);
    const ended = this.#doer
      .do(lease)
      .catch((error: unknown) => this.#break(error))
      .finally(() => {
        this.#progress.task(task.stage, -1);
        this.#leases.delete(lease);
        this.#someEnded = true;
        this.#bell.ring();
      });
    this.#leases.set(lease, ended);
  }

  /** Too much memory is taken: what has grown most has to go, and one less is worked on from here on. */
  #makeRoom(grown: RunningProcess | undefined): void {
    const why = this.#slots.busy > 1 ? 'memory' : 'large';
    const inThreads = [...this.#leases.keys()].filter(
      ({ task, signal }) => !isControl(task) && task.stage !== 'harvest' && !signal.aborted,
    );
    const last = inThreads.at(-1);
    if (!grown && !last) return;
    const { memoryLimitBytes } = this.identity;
    this.log.warn(
      { bytes: this.#memory.bytes, memoryLimitBytes, slots: this.#slots.slots },
      'too little memory',
    );
    this.#slots.narrow();
    if (grown) grown.end(new Stopped(why));
    else last?.stop(why);
  }

  async #touch(): Promise<void> {
    const mine = [...this.#leases.keys()];
    const lost = new Set(await this.#queue.touch(mine.map(({ task }) => task)));
    for (const lease of mine) if (lost.has(lease.task)) lease.stop('lost');
  }

  /** Tells the fleet how this worker is, and asks how many there are. */
  async #beat(): Promise<void> {
    await this.#tell(this.#state());
    this.#slots.shareDomains(await slotsThatFetch(this.#database));
  }

  #state(): WorkerState['state'] {
    if (this.#draining) return 'draining';
    return this.#leases.size > 0 ? 'working' : 'idle';
  }

  #tell(state: WorkerState['state']): Promise<void> {
    return writeWorker(this.#database, this.identity, {
      state,
      slots: this.#slots.slots,
      busy: state === 'gone' ? 0 : this.#slots.busy,
      memoryBytes: this.#memory.bytes,
      doing: state === 'gone' ? {} : this.#progress.read(),
    });
  }

  /** Waits for what is under way. */
  async #drain(): Promise<void> {
    const { graceMs = GRACE_MS } = this.#options;
    await this.#tell(this.#draining ? 'draining' : 'idle');
    this.log.info({ tasks: this.#leases.size }, 'draining');
    await within(graceMs, Promise.all(this.#leases.values()));
  }

  /** Gives back what it has, which removes what it has half written. */
  async #stopAll(): Promise<void> {
    this.#draining = true;
    const left = [...this.#leases];
    this.#copies.end(new Stopped('drained'));
    for (const [lease] of left) lease.stop('drained');
    await within(TIDY_MS, Promise.all(left.map(([, ended]) => ended)));
    const stubborn = left.filter(([lease]) => this.#leases.has(lease)).map(([{ task }]) => task);
    // A database that is away finds out by itself, when it is back, that nobody works on them.
    if (!isOfDatabase(this.#broken?.error)) await this.#queue.giveBack(stubborn);
  }

  #break(error: unknown): void {
    this.#broken ??= { error };
    this.#bell.ring();
  }

  /** Does some work again and again, once at a time. */
  #every(ms: number, work: () => Promise<void>): NodeJS.Timeout {
    let under = false;
    return setInterval(() => {
      if (under) return;
      under = true;
      work()
        .catch((error: unknown) => this.#break(error))
        .finally(() => {
          under = false;
        });
    }, ms);
  }
}
