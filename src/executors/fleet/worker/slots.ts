import type { Manifest, Task } from '../../../pipeline/index.ts';
import { CpuMeter } from '../../../pipeline/index.ts';
import { isHarvest } from '../../harvest.ts';
import type { RunningProcess } from '../../processes.ts';
import { OPEN_FETCHES, TaskThreads } from '../../task-threads.ts';
import { fetchOfFleet, roundedFleet } from './domain-share.ts';
import { Lane } from './lane.ts';
import type { RunCopy } from './run-copy.ts';

/** Threads and processes that are idle for so long are ended: their engines hold memory. In milliseconds. */
const WARM_MS = 60_000;

export interface SlotsOptions {
  /** Tasks side by side; a process that harvests takes one for all of its tasks. */
  readonly slots: number;
  /** What runs in a process that harvests. @default gleaner's own; tests name another */
  readonly processFile?: URL | undefined;
  readonly onProcess: (running: RunningProcess) => void;
  /** Rows that processes have done. */
  readonly onHarvested: (rows: number) => void;
  /** There may be room for another task. */
  readonly onRoom: () => void;
}

export interface SlotHooks {
  readonly signal: AbortSignal;
  /** Things done since the last call, by a task that is no harvest. */
  readonly progress: (stage: Task['stage'], done: number) => void;
}

/** Where a task is to run. */
type Place = Lane | 'thread';

interface Waiting {
  readonly task: Task;
  readonly copy: RunCopy;
  /** Begins it at once: the place is taken when this returns. */
  readonly begin: (place: Place) => void;
}

/**
 * What this machine works with: tasks of harvest go to processes (`Lane`), one run each, all others to threads (`TaskThreads`).
 * Both keep their engines for the next task of their run, until another needs the place.
 */
export class Slots implements AsyncDisposable {
  readonly #options: SlotsOptions;
  readonly #lanes = new Set<Lane>();
  readonly #threads = new Map<
    string,
    { readonly opened: Promise<TaskThreads>; tasks: number; usedMs: number }
  >();
  readonly #waiting: Waiting[] = [];
  readonly #cpu = new CpuMeter();
  readonly #closing = new Set<Promise<void>>();
  /** Tasks in threads: of fetch, which mostly wait, and of all others. */
  #fetching = 0;
  #computing = 0;
  #slots: number;
  #everywhere = 1;
  #expected = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#slots = options.slots;
  }

  /** Tasks side by side at most, and slots that work now. */
  get slots(): number {
    return this.#slots;
  }
  get busy(): number {
    return this.#threadSlots + [...this.#lanes].filter(({ tasks }) => tasks > 0).length;
  }

  /** A task is about to come. @returns that it came, or does not; to be called once */
  expect(): () => void {
    this.#expected++;
    return () => {
      this.#expected--;
    };
  }

  /** Slots of the whole fleet that may ask the web: with others than before, what asks it is begun anew with its next task. */
  shareDomains(slots: number): void {
    this.#everywhere = roundedFleet(slots, this.#everywhere);
  }

  /** From here on one less works, but one at least. */
  narrow(): void {
    this.#slots = Math.max(1, this.#slots - 1);
  }

  /** Slots for which a task could be taken. */
  get free(): number {
    return Math.max(0, this.slots - this.busy - this.#waiting.length - this.#expected);
  }

  /** Slots at work that could begin another task beside theirs: of harvest, and of fetch. */
  get hungry(): { readonly harvest: number; readonly fetch: number } {
    if (this.#waiting.length + this.#expected > 0) return { harvest: 0, fetch: 0 };
    const harvest = [...this.#lanes].filter(({ hungry, broken }) => hungry && !broken).length;
    return { harvest, fetch: this.#spareFetches };
  }

  get #threadSlots(): number {
    return this.#computing + Math.ceil(this.#fetching / OPEN_FETCHES);
  }

  get #spareFetches(): number {
    return Math.ceil(this.#fetching / OPEN_FETCHES) * OPEN_FETCHES - this.#fetching;
  }

  /**
   * Runs a task as soon as there is a place for it.
   * @throws what the task came to; the reason of the signal where it was stopped
   */
  run(task: Task, copy: RunCopy, hooks: SlotHooks): Promise<Manifest> {
    const { signal } = hooks;
    return new Promise((resolve, reject) => {
      const begin = (place: Place) => {
        signal.removeEventListener('abort', stop);
        if (place === 'thread') resolve(this.#runInThread(task, copy, hooks));
        else if (isHarvest(task)) resolve(place.run(task, signal));
      };
      const waiting = { task, copy, begin };
      const stop = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
      };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      this.#waiting.push(waiting);
      signal.addEventListener('abort', stop, { once: true });
      this.#beginWaiting();
    });
  }

  async #runInThread(task: Task, copy: RunCopy, { signal, progress }: SlotHooks): Promise<Manifest> {
    const fetches = task.stage === 'fetch';
    if (fetches) this.#fetching++;
    else this.#computing++;
    const threads = this.#threadsOf(copy, fetches);
    threads.tasks++;
    try {
      const opened = await threads.opened;
      return await opened.run(task, {
        signal,
        progress: (done) => progress(task.stage, done),
        read: () => undefined,
      });
    } finally {
      threads.tasks--;
      threads.usedMs = performance.now();
      if (fetches) this.#fetching--;
      else this.#computing--;
      this.#roomAgain();
    }
  }

  /** Ends what is idle for long. */
  async sweep(): Promise<void> {
    const before = performance.now() - WARM_MS;
    for (const lane of this.#lanes) if (lane.tasks === 0 && lane.usedMs < before) this.#close(lane);
    for (const [run, threads] of this.#threads)
      if (threads.tasks === 0 && threads.usedMs < before) {
        this.#threads.delete(run);
        await (await threads.opened)[Symbol.asyncDispose]();
      }
  }

  /** Ends all, whatever it is at. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#lanes) this.#close(lane);
    for (const { opened } of this.#threads.values()) await (await opened)[Symbol.asyncDispose]();
    await Promise.all(this.#closing);
  }

  /** In their order, but for those that have to wait for a process of their run. */
  #beginWaiting(): void {
    for (const waiting of [...this.#waiting]) {
      const place = this.#find(waiting);
      if (!place) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.begin(place);
    }
  }

  /** A slot that is free; for want of one, what is at work with room for another beside it. */
  #find({ task, copy }: Waiting): Place | undefined {
    const lanes = [...this.#lanes].filter(({ broken }) => !broken);
    const mine = lanes.filter(({ key }) => key === this.#keyOf(copy, true));
    const harvest = isHarvest(task);
    if (this.busy >= this.slots) {
      if (task.stage === 'fetch' && this.#spareFetches > 0) return 'thread';
      return harvest ? mine.find(({ hungry }) => hungry) : undefined;
    }
    const warm = harvest ? mine.find(({ tasks }) => tasks === 0) : undefined;
    if (warm) return warm;
    const idle = lanes.filter(({ tasks }) => tasks === 0).sort((a, b) => a.usedMs - b.usedMs);
    // Its memory is for this task now.
    if (this.#threadSlots + lanes.length >= this.slots && idle[0]) this.#close(idle[0]);
    return harvest ? this.#openLane(copy) : 'thread';
  }

  #openLane(copy: RunCopy): Lane {
    const { slots, processFile, onProcess } = this.#options;
    const lane = new Lane(this.#keyOf(copy, true), this.#environmentOf(copy), {
      share: slots,
      file: processFile,
      onProcess,
      onProgress: (rows) => this.#options.onHarvested(rows),
      onRoom: () => {
        if (lane.broken) this.#close(lane);
        this.#roomAgain();
      },
    });
    this.#lanes.add(lane);
    return lane;
  }

  #close(lane: Lane): void {
    if (!this.#lanes.delete(lane)) return;
    const closed = lane.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  #threadsOf(copy: RunCopy, fetches: boolean) {
    const key = this.#keyOf(copy, fetches);
    const known = this.#threads.get(key);
    if (known) return known;
    const { slots } = this.#options;
    const open = fetches ? OPEN_FETCHES : 1;
    const environment = fetches ? this.#environmentOf(copy) : copy.environment;
    const opened = TaskThreads.open(environment, { threads: slots, open, idleMs: WARM_MS }, this.#cpu);
    const threads = { opened, tasks: 0, usedMs: performance.now() };
    this.#threads.set(key, threads);
    return threads;
  }

  /** What tasks have in common that can be done by the same engines. */
  #keyOf({ id, environment }: RunCopy, fetches: boolean): string {
    const asksWeb = fetches && environment.spec.images.kind === 'web';
    return `${id}${fetches ? ' fetches' : ''}${asksWeb ? ` of ${this.#everywhere}` : ''}`;
  }

  #environmentOf({ environment }: RunCopy): RunCopy['environment'] {
    const { spec } = environment;
    const fetch = fetchOfFleet(spec.recipe.fetch, this.#options.slots, this.#everywhere);
    return { ...environment, spec: { ...spec, recipe: { ...spec.recipe, fetch } } };
  }

  #roomAgain(): void {
    this.#beginWaiting();
    this.#options.onRoom();
  }
}
