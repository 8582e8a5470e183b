import { RequestError } from '../errors.ts';
import type { GuardLimits } from './limits.ts';

type AdmissionLimits = Pick<
  GuardLimits,
  'maxRunning' | 'maxRunningPerClient' | 'maxWaiting' | 'maxWaitingPerClient' | 'maxWaitMs'
>;

interface Waiting {
  readonly client: string | undefined;
  readonly enter: () => void;
}

/**
 * So many searches at once, in all and of each client, and a line of bounded length and patience before them. First come,
 * first served, but that nobody waits behind a client that has its share already.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #line = new Set<Waiting>();
  readonly #runningOf = new Map<string, number>();
  readonly #waitingOf = new Map<string, number>();
  #running = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /**
   * Waits for a place.
   *
   * @param client undefined for one that has no limits of its own
   * @returns what gives the place back, to be called once
   * @throws RequestError 429 where the client has too many waiting, 503 where there are too many or it took too long; the
   *   reason of `signal`
   */
  async enter(client: string | undefined, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (!this.#hasRoom(client)) await this.#wait(client, signal);
    else this.#begin(client);
    return () => this.#leave(client);
  }

  #hasRoom(client: string | undefined): boolean {
    const { maxRunning, maxRunningPerClient } = this.#limits;
    if (this.#running >= maxRunning) return false;
    return client === undefined || (this.#runningOf.get(client) ?? 0) < maxRunningPerClient;
  }

  #begin(client: string | undefined): void {
    this.#running++;
    count(this.#runningOf, client, 1);
  }

  #leave(client: string | undefined): void {
    this.#running--;
    count(this.#runningOf, client, -1);
    for (const waiting of this.#line) {
      if (this.#running >= this.#limits.maxRunning) return;
      if (this.#hasRoom(waiting.client)) waiting.enter();
    }
  }

  #wait(client: string | undefined, signal: AbortSignal): Promise<void> {
    const { maxWaiting, maxWaitingPerClient, maxWaitMs } = this.#limits;
    if (client !== undefined && (this.#waitingOf.get(client) ?? 0) >= maxWaitingPerClient)
      throw new RequestError(429, 'too many searches of yours at once: wait for some of them', 1);
    if (this.#line.size >= maxWaiting) throw busy(maxWaitMs);
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        this.#line.delete(waiting);
        count(this.#waitingOf, client, -1);
      };
      const giveUp = () => {
        end();
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        end();
        reject(busy(maxWaitMs));
      }, maxWaitMs);
      const waiting: Waiting = {
        client,
        enter: () => {
          end();
          this.#begin(client);
          resolve();
        },
      };
      this.#line.add(waiting);
      count(this.#waitingOf, client, 1);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}

function busy(maxWaitMs: number): RequestError {
  return new RequestError(503, 'too many searches at once: try again in a few seconds', maxWaitMs / 1000);
}

function count(counts: Map<string, number>, key: string | undefined, by: 1 | -1): void {
  if (key === undefined) return;
  const now = (counts.get(key) ?? 0) + by;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}
