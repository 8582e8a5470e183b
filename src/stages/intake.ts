import type { Recipe } from '../config/index.ts';
import type { FetchOutcome } from '../schema/index.ts';
import { ByteBudget } from './budget.ts';

/** What takes longer than this to fetch waits for others, and others do not wait for it. In milliseconds. */
const FRESH_MS = 1500;
/** Bodies that wait in a process to be worked on, in bytes: half a second of them at what two cores can decode. */
const BODY_BYTES = 16 << 20;

/** URLs that are asked for, in all processes: those under way, as many that wait for a host, and those that stall. */
function askedAtOnce({ concurrency, maxStalled }: Recipe['fetch']): number {
  return 2 * concurrency + maxStalled;
}

/** A part of a limit that processes share: at least 1. */
export function partOf(limit: number, share: number): number {
  return Math.max(1, Math.floor(limit / share));
}

/**
 * Longest wait for a slot, in milliseconds, where images are asked for through an intake: all of one host may wait for one
 * another, the last of them for all the others.
 *
 * @param share processes that share the recipe's limits
 */
export function queueTimeoutMs(fetch: Recipe['fetch'], share: number): number {
  const ahead = partOf(askedAtOnce(fetch), share) / partOf(fetch.perDomainConcurrency, share);
  return Math.max(fetch.queueTimeoutMs, Math.ceil(ahead * fetch.totalTimeoutMs));
}

/**
 * Bounds what a process asks for, over all of its tasks: URLs that are asked for, those of them that do not stall, and
 * the bodies that wait to be worked on.
 */
export class Intake {
  readonly #asked: ByteBudget;
  readonly #fresh: ByteBudget;
  readonly #bodies = new ByteBudget(BODY_BYTES);

  /** @param share processes that share the recipe's limits */
  constructor(fetch: Recipe['fetch'], share: number) {
    this.#asked = new ByteBudget(partOf(askedAtOnce(fetch), share));
    this.#fresh = new ByteBudget(partOf(2 * fetch.concurrency, share));
  }

  /** Waits until one more may be asked for, which `fetch` does then. */
  async admit(): Promise<void> {
    await this.#asked.reserve(1);
    await this.#fresh.reserve(1);
    await this.#bodies.reserve(0);
  }

  /** Asks for one that was admitted. The bytes of its body are held until `done` is called with their number. */
  async fetch(get: () => Promise<FetchOutcome>): Promise<FetchOutcome> {
    let fresh = true;
    const stale = () => {
      if (fresh) this.#fresh.adjust(-1);
      fresh = false;
    };
    const timer = setTimeout(stale, FRESH_MS);
    try {
      const fetched = await get();
      if (fetched.kept) this.#bodies.adjust(fetched.value.bytes.length);
      return fetched;
    } finally {
      clearTimeout(timer);
      stale();
      this.#asked.adjust(-1);
    }
  }

  /** A body is worked on and gone. */
  done(bytes: number): void {
    this.#bodies.adjust(-bytes);
  }
}
