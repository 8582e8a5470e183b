import { shareOf } from './numbers.ts';
import type { Tally } from './statistics.ts';

/** Different values a counter holds at once. A host name takes some 100 bytes: 6 MB. */
const CAPACITY = 65_536;

/**
 * Counts the values of a column in bounded memory. Up to `capacity` different values are all counted. With more,
 * the counter keeps candidates by the rule of Misra and Gries (1982), which misses no value seen in more than
 * 1 / (capacity + 1) of the rows, and asks for a second pass that counts those candidates exactly.
 */
export class ValueCounter {
  readonly #capacity: number;
  #counts = new Map<string, number>();
  #total = 0;
  #overflowed = false;

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /** Whether the counts are of candidates only: call `beginRecount`, then `recount` with every value once more. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** @param times how often it was seen. @default 1 */
  add(value: string, times = 1): void {
    this.#total += times;
    for (let left = times; left > 0; ) {
      const count = this.#counts.get(value);
      if (count === undefined && this.#counts.size >= this.#capacity) {
        this.#decrementAll();
        left--;
      } else {
        this.#counts.set(value, (count ?? 0) + left);
        left = 0;
      }
    }
  }

  beginRecount(): void {
    for (const value of this.#counts.keys()) this.#counts.set(value, 0);
  }

  recount(value: string, times = 1): void {
    const count = this.#counts.get(value);
    if (count !== undefined) this.#counts.set(value, count + times);
  }

  /** The `limit` most frequent values. */
  tally(limit: number): Tally {
    const sorted = [...this.#counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    return {
      total: this.#total,
      distinct: this.#overflowed ? null : sorted.length,
      top: sorted
        .slice(0, limit)
        .map(([value, count]) => ({ value, count, share: shareOf(count, this.#total) })),
    };
  }

  #decrementAll(): void {
    this.#overflowed = true;
    for (const [value, count] of this.#counts)
      if (count === 1) this.#counts.delete(value);
      else this.#counts.set(value, count - 1);
  }
}
