import { setTimeout as sleep } from 'node:timers/promises';

/** Time and chance, handed in so that tests can make their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** At least 0, below 1. */
  random(): number;
  /** @throws the signal's reason, once it is aborted */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `ring` after `ms`, unless the alarm was cleared or set again before. */
  alarm(ms: number, ring: () => void): Alarm;
}

export interface Alarm {
  /** Sets it anew: the time runs from now, also where it has rung. */
  refresh(): void;
  clear(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
  alarm(ms, ring) {
    const timer = setTimeout(ring, ms);
    return { refresh: () => void timer.refresh(), clear: () => clearTimeout(timer) };
  },
};

/** How patient a reader is with a server. */
export interface RetryOptions {
  /** Failures in a row, with less than 64 KiB read between them, after which it is given up. @default 16 */
  readonly attempts?: number;
  /** The longest wait after the first failure, in milliseconds; it doubles with each failure in a row. @default 1000 */
  readonly backoffMs?: number;
  /** The longest wait that doubling leads to, in milliseconds. @default 60000 */
  readonly maxBackoffMs?: number;
  /** A Retry-After of more milliseconds is not waited for: it is given up at once. @default 600000 */
  readonly maxRetryAfterMs?: number;
}

/** What may pass if it is tried again: a broken connection, a server that says 'later'. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure';
  /** The header of that name, as the server sent it. */
  readonly retryAfter: string | undefined;

  constructor(problem: string, options?: ErrorOptions & { readonly retryAfter?: string | undefined }) {
    super(problem, options);
    this.retryAfter = options?.retryAfter;
  }
}

/** Bytes after which failures are counted from the start: a server that gives a byte a time is not waited for forever. */
const PROGRESS_BYTES = 64 << 10;

/**
 * How long to wait after each failure: a random time up to a limit that doubles ("full jitter": of the ways that
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ compares, the one with the fewest calls).
 * With the defaults, 16 failures in a row are spread over six minutes in the mean. A Retry-After is waited for in
 * full and the random time comes on top, so that a fleet that was told the same does not come back as one.
 */
export class Backoff {
  readonly #options: Required<RetryOptions>;
  readonly #clock: Clock;
  #failures = 0;
  #progress = 0;

  constructor(options: RetryOptions, clock: Clock) {
    const { attempts = 16, backoffMs = 1000, maxBackoffMs = 60_000, maxRetryAfterMs = 600_000 } = options;
    this.#options = { attempts, backoffMs, maxBackoffMs, maxRetryAfterMs };
    this.#clock = clock;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  progress(bytes: number): void {
    this.#progress += bytes;
    if (this.#progress >= PROGRESS_BYTES) this.#failures = 0;
  }

  /**
   * Notes a failure.
   * @param askedMs what the server asks to wait
   * @returns milliseconds to wait, undefined where it is to be given up
   */
  failed(askedMs = 0): number | undefined {
    const { attempts, backoffMs, maxBackoffMs, maxRetryAfterMs } = this.#options;
    const limit = Math.min(maxBackoffMs, backoffMs * 2 ** this.#failures);
    this.#failures++;
    this.#progress = 0;
    if (this.#failures >= attempts || askedMs > maxRetryAfterMs) return undefined;
    return askedMs + this.#clock.random() * limit;
  }
}

/**
 * @param value of a Retry-After header: seconds or a date (RFC 9110, 10.2.3)
 * @param now milliseconds since 1970
 * @returns milliseconds from `now`, at least 0; undefined where there is no legal value
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
