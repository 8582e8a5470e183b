/** Rates are those of the last so many seconds. */
const WINDOW_SECONDS = 60;
/** Two looks that lie nearer to each other tell no rate. */
const LEAST_SECONDS = 5;

interface Look {
  readonly seconds: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** How fast some counts grow, by what they were when they were looked at before. */
export class Rates {
  /** The oldest first: one that is older than the window, and those within it. */
  #looks: Look[] = [];

  /**
   * @param seconds of one clock
   * @param counts by any names
   */
  look(seconds: number, counts: ReadonlyMap<string, number>): void {
    this.#looks.push({ seconds, counts });
    const old = this.#looks.findLastIndex((look) => look.seconds <= seconds - WINDOW_SECONDS);
    if (old > 0) this.#looks = this.#looks.slice(old);
  }

  /** A second, over the last minute or as much of it as was seen; null where too little was. */
  perSecond(name: string): number | null {
    const last = this.#looks.at(-1);
    const first = this.#looks.find((look) => look.counts.has(name));
    const [from, to] = [first?.counts.get(name), last?.counts.get(name)];
    if (!first || !last || from === undefined || to === undefined) return null;
    const seconds = last.seconds - first.seconds;
    return seconds < LEAST_SECONDS ? null : Math.max(0, to - from) / seconds;
  }
}
