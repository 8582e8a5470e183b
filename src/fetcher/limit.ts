import type { Interceptor } from './exchange.ts';
import type { WebSettings } from './options.ts';

type Limits = Pick<WebSettings, 'concurrency' | 'perHostConcurrency' | 'perHostIntervalMs'>;

interface Host {
  readonly name: string;
  inFlight: number;
  /** By performance.now(): no request starts before. */
  notBefore: number;
  /** Called when the slot is there. */
  readonly queue: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}

/**
 * Gives out slots: so many in all, so many a host. A request takes both at once or waits for both, so a slow host
 * holds up nobody else. Hosts that can go on take turns.
 */
export class HostLimiter {
  readonly #limits: Limits;
  readonly #hosts = new Map<string, Host>();
  /** Hosts with something waiting and leave to start it, in turn. */
  readonly #ready = new Set<Host>();
  #inFlight = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Hosts that are remembered: those with requests, and those whose interval has not passed. */
  get hosts(): number {
    return this.#hosts.size;
  }

  /**
   * Waits for a slot.
   * @returns gives it back; to be called once
   * @throws the reason of `signal`
   */
  acquire(name: string, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const host = this.#hosts.get(name) ?? { name, inFlight: 0, notBefore: 0, queue: [], timer: undefined };
      this.#hosts.set(name, host);
      const start = () => {
        signal.removeEventListener('abort', abandon);
        resolve(() => this.#release(host));
      };
      const abandon = () => {
        host.queue.splice(host.queue.indexOf(start), 1);
        this.#settle(host);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abandon, { once: true });
      host.queue.push(start);
      this.#settle(host);
      this.#startReady();
    });
  }

  /** Stops its timers. Whoever waits is to be sent away by their signals. */
  close(): void {
    for (const host of this.#hosts.values()) clearTimeout(host.timer);
  }

  #release(host: Host): void {
    host.inFlight--;
    this.#inFlight--;
    this.#settle(host);
    this.#startReady();
  }

  /** Finds out whether the host may start something now, later, or is to be forgotten. */
  #settle(host: Host): void {
    this.#ready.delete(host);
    const waitMs = host.notBefore - performance.now();
    if (waitMs > 0) {
      host.timer ??= setTimeout(() => {
        host.timer = undefined;
        this.#settle(host);
        this.#startReady();
      }, Math.ceil(waitMs));
    } else if (host.queue.length > 0) {
      if (host.inFlight < this.#limits.perHostConcurrency) this.#ready.add(host);
    } else if (host.inFlight === 0) this.#hosts.delete(host.name);
  }

  #startReady(): void {
    for (const host of this.#ready) {
      if (this.#inFlight >= this.#limits.concurrency) return;
      const start = host.queue.shift();
      host.inFlight++;
      this.#inFlight++;
      host.notBefore = performance.now() + this.#limits.perHostIntervalMs;
      // Where it may start another, this puts it at the end of the line, which this loop then comes to.
      this.#settle(host);
      start?.();
    }
  }
}

/** Holds each request, redirects and retries too, until a slot is free for it. */
export function limitHosts(limiter: HostLimiter): Interceptor {
  return (next) => async (request) => {
    const release = await limiter.acquire(request.url.host, request.signal);
    try {
      return await next(request);
    } finally {
      release();
    }
  };
}
