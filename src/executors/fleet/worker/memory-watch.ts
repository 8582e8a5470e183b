import type { RunningProcess } from '../../processes.ts';
import { residentBytes } from './memory.ts';

/** How often it looks, in milliseconds. */
const LOOK_MS = 2_000;
/** From this share of the limit on nothing new is taken: what is under way may still grow. */
const TIGHT = 0.85;
/** From this share on something has to go, before the system ends what it likes. */
const OVER = 0.95;

export interface MemoryWatchOptions {
  readonly limitBytes: number;
  /** Too much is taken, and most by this process: `undefined` where that is the worker's own, by its threads. */
  readonly onOver: (grown: RunningProcess | undefined) => void;
  /** There is room again. */
  readonly onRoom: () => void;
}

/** Looks at the memory of this process and of those that it began. */
export class MemoryWatch implements Disposable {
  readonly #options: MemoryWatchOptions;
  readonly #processes = new Map<number, RunningProcess>();
  /** Of this process when it began: what it has more is its threads'. */
  readonly #atFirst = process.memoryUsage.rss();
  readonly #timer: NodeJS.Timeout;
  #bytes = this.#atFirst;
  #looking = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  /** Resident, of all processes, in bytes, when it was looked at last. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether to take nothing new. */
  get tight(): boolean {
    return this.#bytes > TIGHT * this.#options.limitBytes;
  }

  /** Looks at this one too, until it is gone. */
  add(running: RunningProcess): void {
    this.#processes.set(running.pid, running);
  }

  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const wasTight = this.tight;
      const sizes = await residentBytes([...this.#processes.keys()]);
      for (const pid of this.#processes.keys()) if (!sizes.has(pid)) this.#processes.delete(pid);
      const own = process.memoryUsage.rss();
      this.#bytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, own);
      if (this.#bytes > OVER * this.#options.limitBytes) {
        const [largest, bytes] = [...sizes].sort((a, b) => b[1] - a[1])[0] ?? [0, 0];
        this.#options.onOver(bytes > own - this.#atFirst ? this.#processes.get(largest) : undefined);
      } else if (wasTight && !this.tight) this.#options.onRoom();
    } finally {
      this.#looking = false;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
