import { setTimeout as sleep } from 'node:timers/promises';

/** Wakes whoever waits; rung before, it wakes the next who comes. */
export class Bell {
  #rung = false;
  #wake: () => void = () => undefined;

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Waits until it rings, and no longer than so many milliseconds. @returns whether it rang */
  async wait(ms: number): Promise<boolean> {
    const rings = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#rung) resolve();
    });
    await within(ms, rings);
    const rang = this.#rung;
    this.#rung = false;
    return rang;
  }
}

/** Waits for some work, and no longer than so many milliseconds. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const waited = sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    await Promise.race([work, waited]);
  } finally {
    over.abort();
  }
}
