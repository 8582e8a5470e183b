/** Time and chance, handed in so that tests need neither wait nor guess. */
export interface Clock {
  /** Milliseconds since 1970; never goes back. */
  now(): number;
  /** From 0 up to, not with, 1. */
  random(): number;
  /** @throws the reason of `signal` once it is aborted */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  // Date.now() jumps where somebody sets the clock, and waits would be lost or without end.
  now: () => performance.timeOrigin + performance.now(),
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const giveUp = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      }, ms);
      signal.addEventListener('abort', giveUp, { once: true });
    }),
};
