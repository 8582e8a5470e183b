import type { Clock } from '../../src/fetcher/index.ts';

export const NOW = Date.UTC(2026, 0, 1);

/** Time that moves by what is slept, at once, and by hand. */
export interface TestClock extends Clock {
  /** Every wait, in milliseconds. */
  readonly sleeps: number[];
  time: number;
}

export function testClock(): TestClock {
  const sleeps: number[] = [];
  return {
    sleeps,
    time: NOW,
    now() {
      return this.time;
    },
    random: () => 0.25,
    async sleep(ms, signal) {
      signal.throwIfAborted();
      sleeps.push(ms);
      this.time += ms;
    },
  };
}
