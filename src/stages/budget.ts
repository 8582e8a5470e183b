interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/** Bounds the bytes that are held: who would hold more waits until there is room. Those who came first go first. */
export class ByteBudget {
  readonly #limit: number;
  #held = 0;
  readonly #waiting: Waiting[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for room for so many bytes, which is always there when nothing is held, and takes it. */
  async reserve(bytes: number): Promise<void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes))
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    else this.#held += bytes;
  }

  /** What was reserved has turned out to be so many bytes more, or less: it may go above the limit by that. */
  adjust(bytes: number): void {
    this.#held += bytes;
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#held += next.bytes;
      this.#waiting.shift();
      next.enter();
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#limit;
  }
}

/** Lets so many in at once, or one alone. Those who came first go first. */
export class Turnstile {
  readonly #budget: ByteBudget;
  readonly #width: number;

  /** @param width how many may be inside at once */
  constructor(width: number) {
    this.#width = width;
    this.#budget = new ByteBudget(width);
  }

  /** @returns lets the next one in; to be called once */
  async enter(alone = false): Promise<() => void> {
    const weight = alone ? this.#width : 1;
    await this.#budget.reserve(weight);
    return () => this.#budget.adjust(-weight);
  }
}
