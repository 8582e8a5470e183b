import { LruMap } from '../../fetcher/lru.ts';

export interface TokenBucketOptions {
  /** Tokens that come back in a second. */
  readonly rate: number;
  /** Tokens of a full bucket. */
  readonly burst: number;
  /** Buckets that are remembered; a forgotten one is full. */
  readonly buckets: number;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/** A token bucket for each key (RFC 2697 calls the two numbers rate and burst size), in bounded memory. */
export class TokenBuckets {
  readonly #buckets: LruMap<string, Bucket>;
  readonly #rate: number;
  readonly #burst: number;
  readonly #now: () => number;

  constructor({ rate, burst, buckets, now = () => performance.now() }: TokenBucketOptions) {
    this.#buckets = new LruMap(buckets);
    this.#rate = rate;
    this.#burst = burst;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes tokens for a request that is about to be answered. One that costs more than a full bucket is let through by a
   * full one, and leaves a debt.
   *
   * @returns 0, or the seconds after which there will be enough; nothing was taken then
   */
  take(key: string, cost: number): number {
    if (this.#rate === Number.POSITIVE_INFINITY) return 0;
    const tokens = this.#tokens(key);
    const needed = Math.min(cost, this.#burst);
    if (tokens < needed) return (needed - tokens) / this.#rate;
    this.#put(key, tokens - cost);
    return 0;
  }

  /** Takes tokens for what a request turned out to cost: the bucket may be in debt then, by one more bucket at most. */
  charge(key: string, cost: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#put(key, Math.max(-this.#burst, this.#tokens(key) - cost));
  }

  #tokens(key: string): number {
    const bucket = this.#buckets.get(key);
    if (!bucket) return this.#burst;
    return Math.min(this.#burst, bucket.tokens + ((this.#now() - bucket.at) / 1000) * this.#rate);
  }

  #put(key: string, tokens: number): void {
    this.#buckets.set(key, { tokens, at: this.#now() });
  }
}
