import type { TimeBudget } from './exchange.ts';

/** Uses up the time of a URL while something is done for it, and calls when none is left. */
export class Countdown {
  readonly #budget: TimeBudget;
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor(budget: TimeBudget, end: () => void) {
    this.#budget = budget;
    this.#end = end;
    this.resume();
  }

  resume(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(this.#end, Math.max(0, this.#budget.leftMs));
  }

  /** May be called twice. */
  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#budget.leftMs -= performance.now() - this.#since;
  }
}
