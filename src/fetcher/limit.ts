import type { Clock } from './clock.ts';
import { domainOf } from './domain.ts';
import { type Exchange, type Failure, failure, headerText, type Interceptor } from './exchange.ts';
import { LruMap } from './lru.ts';
import type { WebSettings } from './options.ts';
import { parseRetryAfter } from './retry.ts';

type Limits = Pick<
  WebSettings,
  | 'concurrency'
  | 'maxStalled'
  | 'perDomainConcurrency'
  | 'perDomainIntervalMs'
  | 'retryBackoffMs'
  | 'maxRetryAfterMs'
> & { readonly clock: Clock };

/** What an answer says about how fast its domain can be asked. */
export type Pace =
  | { readonly kind: 'good' }
  /** `pause`: it said so itself, and wants to be left alone for a moment. */
  | { readonly kind: 'slow'; readonly pause: boolean; readonly retryAfterMs?: number; readonly why: string }
  | { readonly kind: 'unknown' };

/** Leave to send one request. */
export interface Slot {
  /** Gives it back; to be called once. */
  release(pace: Pace): void;
}

interface Domain {
  readonly name: string;
  inFlight: number;
  /** Requests at once, now; what is behind the point is on its way to one more. */
  width: number;
  /** By the clock: no request starts before. */
  notBefore: number;
  /** Whether something sleeps until then. */
  waking: boolean;
  /** Times in a row that it had to be slowed down, and when the last one was. */
  strikes: number;
  lastStrike: number;
  /** It asked to be left alone for longer than anybody waits. */
  closed: { readonly until: number; readonly why: string } | undefined;
  readonly queue: ((admitted: Slot | Failure) => void)[];
}

/** A request under way. */
interface Held {
  /** By performance.now(). */
  readonly since: number;
  stalled: boolean;
}

/** What takes longer than this waits more than it works, in milliseconds. */
const STALL_MS = 1000;

/** Domains whose pace is remembered though nothing is under way there. A hundred bytes each. */
const MAX_REMEMBERED = 100_000;

/** A domain is left alone for no longer than this, whatever its Retry-After says, in milliseconds. */
const MAX_CLOSED_MS = 24 * 60 * 60 * 1000;

/**
 * Gives out slots: so many in all, so many a domain. A request takes both at once or waits for both, so a slow domain
 * holds up nobody else. Domains that can go on take turns. A request that stalls costs a socket and nothing else, so
 * after a second its place among all is given to another: bad origins would otherwise fill all places in a moment. A domain that says that it is asked too much, or that takes
 * too long, is asked half as much, and little by little more again: as TCP does (RFC 5681), and for its reasons.
 */
export class DomainLimiter {
  readonly #limits: Limits;
  readonly #domains = new Map<string, Domain>();
  readonly #remembered = new LruMap<string, Domain>(MAX_REMEMBERED);
  /** Domains with something waiting and leave to start it, in turn. */
  readonly #ready = new Set<Domain>();
  readonly #closing = new AbortController();
  /** Requests that have a place among `concurrency`, the oldest first. */
  readonly #moving = new Set<Held>();
  #stalled = 0;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#moving.size + this.#stalled;
  }

  /** Domains with requests, or with a time before which they get none. */
  get domains(): number {
    return this.#domains.size;
  }

  /**
   * Waits for a slot.
   * @returns a failure where the domain wants to be left alone for long
   * @throws the reason of `signal`
   */
  acquire(name: string, signal: AbortSignal): Promise<Slot | Failure> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const domain = this.#domain(name);
      if (domain.closed && domain.closed.until > this.#limits.clock.now()) {
        resolve(closedFailure(domain.closed.why));
        this.#settle(domain);
        return;
      }
      const start = (admitted: Slot | Failure) => {
        signal.removeEventListener('abort', abandon);
        resolve(admitted);
      };
      const abandon = () => {
        domain.queue.splice(domain.queue.indexOf(start), 1);
        this.#settle(domain);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abandon, { once: true });
      domain.queue.push(start);
      this.#settle(domain);
      this.#startReady();
    });
  }

  /** Stops its timers. Whoever waits is to be sent away by their signals. */
  close(): void {
    this.#closing.abort();
    clearTimeout(this.#sweeper);
  }

  #domain(name: string): Domain {
    const known = this.#domains.get(name) ?? this.#remembered.get(name);
    this.#remembered.delete(name);
    const domain: Domain = known ?? {
      name,
      inFlight: 0,
      width: this.#limits.perDomainConcurrency,
      notBefore: 0,
      waking: false,
      strikes: 0,
      lastStrike: 0,
      closed: undefined,
      queue: [],
    };
    this.#domains.set(name, domain);
    return domain;
  }

  #release(domain: Domain, held: Held, began: number, pace: Pace): void {
    domain.inFlight--;
    if (held.stalled) this.#stalled--;
    else this.#moving.delete(held);
    if (pace.kind === 'good') this.#speedUp(domain);
    else if (pace.kind === 'slow') this.#slowDown(domain, began, pace);
    this.#settle(domain);
    this.#startReady();
  }

  #speedUp(domain: Domain): void {
    domain.strikes = 0;
    // Four good answers at each width for one more: slowly, since a strike takes half.
    const wider = domain.width + 1 / (4 * domain.width);
    domain.width = Math.min(this.#limits.perDomainConcurrency, wider);
  }

  #slowDown(domain: Domain, began: number, pace: Pace & { kind: 'slow' }): void {
    const { clock, maxRetryAfterMs, retryBackoffMs } = this.#limits;
    const now = clock.now();
    const { retryAfterMs } = pace;
    if (retryAfterMs !== undefined && retryAfterMs > maxRetryAfterMs)
      this.#closeDomain(domain, pace.why, retryAfterMs);
    else if (retryAfterMs !== undefined) domain.notBefore = Math.max(domain.notBefore, now + retryAfterMs);
    // Requests that were under way together tell one thing together.
    if (began < domain.lastStrike) return;
    domain.lastStrike = now;
    domain.width = Math.max(1, domain.width / 2);
    if (pace.pause && retryAfterMs === undefined) {
      const pauseMs = retryBackoffMs * 2 ** Math.min(domain.strikes, 20) * (0.5 + clock.random());
      domain.notBefore = Math.max(domain.notBefore, now + Math.min(maxRetryAfterMs, pauseMs));
    }
    domain.strikes++;
  }

  #closeDomain(domain: Domain, why: string, forMs: number): void {
    domain.closed = { until: this.#limits.clock.now() + Math.min(MAX_CLOSED_MS, forMs), why };
    for (const start of domain.queue.splice(0)) start(closedFailure(why));
  }

  /** Finds out whether the domain may start something now, later, or is to be put away. */
  #settle(domain: Domain): void {
    this.#ready.delete(domain);
    const { clock, perDomainConcurrency } = this.#limits;
    const now = clock.now();
    if (domain.notBefore > now) this.#wakeAt(domain, domain.notBefore - now);
    else if (domain.queue.length > 0) {
      if (domain.inFlight < Math.floor(domain.width)) this.#ready.add(domain);
    } else if (domain.inFlight === 0) {
      this.#domains.delete(domain.name);
      const closed = domain.closed !== undefined && domain.closed.until > now;
      if (closed || domain.width < perDomainConcurrency) this.#remembered.set(domain.name, domain);
    }
  }

  #wakeAt(domain: Domain, waitMs: number): void {
    if (domain.waking) return;
    domain.waking = true;
    const wake = () => {
      domain.waking = false;
      this.#settle(domain);
      this.#startReady();
    };
    this.#limits.clock.sleep(Math.ceil(waitMs), this.#closing.signal).then(wake, () => {});
  }

  #startReady(): void {
    for (const domain of this.#ready) {
      if (this.#moving.size >= this.#limits.concurrency) return;
      const start = domain.queue.shift();
      const began = this.#limits.clock.now();
      const held = { since: performance.now(), stalled: false };
      domain.inFlight++;
      this.#moving.add(held);
      this.#sweeper ??= setTimeout(() => this.#sweep(), STALL_MS);
      if (this.#limits.perDomainIntervalMs > 0) domain.notBefore = began + this.#limits.perDomainIntervalMs;
      // Where it may start another, this puts it at the end of the line, which this loop then comes to.
      this.#settle(domain);
      start?.({ release: (pace) => this.#release(domain, held, began, pace) });
    }
  }

  /** Moves those that stall out of the way. */
  #sweep(): void {
    this.#sweeper = undefined;
    const now = performance.now();
    for (const held of this.#moving) {
      const leftMs = held.since + STALL_MS - now;
      if (leftMs > 0 || this.#stalled >= this.#limits.maxStalled) {
        this.#sweeper = setTimeout(() => this.#sweep(), Math.max(leftMs, STALL_MS / 4));
        break;
      }
      this.#moving.delete(held);
      held.stalled = true;
      this.#stalled++;
    }
    this.#startReady();
  }
}

function closedFailure(why: string): Failure {
  return failure('host_down', why);
}

/** Holds each request, redirects and retries too, until a slot is free for it, and learns from its answer. */
export function limitDomains(limiter: DomainLimiter, clock: Clock): Interceptor {
  return (next) => async (request) => {
    request.trace.phase = 'slot';
    const slot = await limiter.acquire(domainOf(request.url), request.signal);
    if ('reason' in slot) return slot;
    let pace: Pace = { kind: 'unknown' };
    try {
      const result = await next(request);
      pace = paceOf(result, clock);
      return result;
    } finally {
      slot.release(pace);
    }
  };
}

function paceOf(result: Awaited<ReturnType<Exchange>>, clock: Clock): Pace {
  if (!result.kept) {
    // A host that cannot be reached says nothing about the others of its domain.
    const slow = result.reason === 'timeout' && result.deadHost === undefined;
    return slow ? { kind: 'slow', pause: false, why: 'timeout' } : { kind: 'unknown' };
  }
  const { status, headers } = result.value;
  if (status !== 429 && status !== 503) return { kind: 'good' };
  const retryAfterMs = parseRetryAfter(headerText(headers, 'retry-after'), clock.now());
  if (retryAfterMs === undefined) return { kind: 'slow', pause: true, why: `${status}` };
  const why = `${status}, Retry-After ${Math.ceil(retryAfterMs / 1000)} s`;
  return { kind: 'slow', pause: true, retryAfterMs, why };
}
