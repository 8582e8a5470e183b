/** Places in the shared memory: the lock and the number of open tasks as int32, the other two as float64. */
const [LOCK, OPEN] = [0, 1];
const [READ_AT, SHARED_OUT] = [1, 2];
const BYTES = 24;

/**
 * Divides the CPU time of a process among its tasks: what it uses while n tasks are open counts a nth for each, its
 * compilers, collectors and decoders in C included, which no count of one thread would have. So tasks that run side by
 * side add up to what the process took. Threads share one meter by its memory.
 */
export class CpuMeter {
  /** To be handed to the threads of this process. */
  readonly memory: SharedArrayBuffer;
  readonly #counts: Int32Array<SharedArrayBuffer>;
  readonly #seconds: Float64Array<SharedArrayBuffer>;
  readonly #read: () => number;

  /**
   * @param memory of another thread's meter
   * @param read CPU time of the process so far, user and system, in seconds
   */
  constructor(memory = new SharedArrayBuffer(BYTES), read: () => number = processCpuSeconds) {
    this.memory = memory;
    this.#counts = new Int32Array(memory, 0, 2);
    this.#seconds = new Float64Array(memory);
    this.#read = read;
  }

  /** A task begins. @returns ends it, and gives its share in seconds; to be called once */
  begin(): () => number {
    const before = this.#settle(1);
    return () => this.#settle(-1) - before;
  }

  /** Shares out what was used since the last call. @returns what a task would have that had been open all the time */
  #settle(change: 1 | -1): number {
    this.#lock();
    const now = this.#read();
    const open = this.#counts[OPEN] ?? 0;
    if (open > 0)
      this.#seconds[SHARED_OUT] =
        (this.#seconds[SHARED_OUT] ?? 0) + (now - (this.#seconds[READ_AT] ?? 0)) / open;
    this.#seconds[READ_AT] = now;
    this.#counts[OPEN] = open + change;
    const shared = this.#seconds[SHARED_OUT] ?? 0;
    this.#unlock();
    return shared;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#counts, LOCK, 0, 1) !== 0) Atomics.wait(this.#counts, LOCK, 1, 1);
  }

  #unlock(): void {
    Atomics.store(this.#counts, LOCK, 0);
    Atomics.notify(this.#counts, LOCK);
  }
}

function processCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
