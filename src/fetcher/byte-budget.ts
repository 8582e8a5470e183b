import { orAbort } from './abort.ts';

/** The bytes that one response holds in memory. */
export interface Holding {
  /** Asks for `bytes` more. undefined where they are there at once; otherwise to be waited for. */
  take(bytes: number): Promise<void> | undefined;
  /** Gives all of them back; to be called once. */
  release(): void;
}

interface Taker {
  held: number;
  waiting: { readonly bytes: number; readonly go: () => void } | undefined;
}

/**
 * Bounds the bytes of all bodies in memory together. Once they are used up no request begins, and bodies that want
 * more wait, except for one: it goes on to its end, so that there is always one that ends and gives its bytes back.
 * The limit is therefore exceeded by at most one body.
 */
export class ByteBudget {
  readonly #limit: number;
  readonly #takers = new Set<Taker>();
  readonly #beginners = new Set<() => void>();
  #first: Taker | undefined;
  #used = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now. */
  get used(): number {
    return this.#used;
  }

  /** Waits until there is room for another body. Rejects with the reason of `signal`. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#used >= this.#limit) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#beginners.add(resolve);
      try {
        await orAbort(promise, signal);
      } finally {
        this.#beginners.delete(resolve);
      }
    }
  }

  open(): Holding {
    const taker: Taker = { held: 0, waiting: undefined };
    return {
      take: (bytes) => {
        this.#takers.add(taker);
        if (this.#grant(taker, bytes)) return undefined;
        return new Promise((go) => {
          taker.waiting = { bytes, go };
        });
      },
      release: () => {
        this.#used -= taker.held;
        this.#takers.delete(taker);
        if (this.#first === taker) this.#first = undefined;
        this.#wake();
      },
    };
  }

  #grant(taker: Taker, bytes: number): boolean {
    if (this.#used + bytes > this.#limit) {
      this.#first ??= taker;
      if (this.#first !== taker) return false;
    }
    taker.held += bytes;
    this.#used += bytes;
    return true;
  }

  #wake(): void {
    for (const taker of this.#takers) {
      const { waiting } = taker;
      if (!waiting) continue;
      if (!this.#grant(taker, waiting.bytes)) break;
      taker.waiting = undefined;
      waiting.go();
    }
    if (this.#used < this.#limit) for (const begin of this.#beginners) begin();
  }
}
