import type { Sweep } from './statistics.ts';

/** Thresholds are this far apart. */
const STEPS_PER_UNIT = 100;
/** Languages that are counted by themselves. */
const MAX_LANGUAGES = 10;
/** Different languages that are counted before the ten most frequent are known; there are fewer codes in ISO 639-1. */
const MAX_COUNTED = 1_000;

/**
 * Counts the pairs that were scored, by how many thresholds they pass. Cosines are compared as the run compares them:
 * a pair stays where its cosine is at least the threshold.
 */
export class SweepCounter {
  readonly #own: number | null;
  /** All thresholds there are, ascending: from -1 to 1 in steps of 0.01, and the recipe's own. */
  readonly #thresholds: readonly number[];
  readonly #scored: Float64Array;
  readonly #released: Float64Array;
  readonly #languages = new Map<string, Float64Array>();
  readonly #nsfw = new Map<string, Float64Array>();

  /** @param own threshold of the recipe; null where it has none */
  constructor(own: number | null) {
    this.#own = own;
    const grid = Array.from(
      { length: 2 * STEPS_PER_UNIT + 1 },
      (_, i) => (i - STEPS_PER_UNIT) / STEPS_PER_UNIT,
    );
    this.#thresholds = own === null ? grid : [...new Set([...grid, own])].sort((a, b) => a - b);
    this.#scored = new Float64Array(this.#thresholds.length);
    this.#released = new Float64Array(this.#thresholds.length);
  }

  /**
   * @param similarity -1 to 1
   * @param nsfw class of a released pair; undefined of one that was dropped
   */
  add(similarity: number, language: string, nsfw?: string): void {
    const passed = this.#lastPassed(similarity);
    increase(this.#scored, passed);
    const ofLanguage = this.#countsOf(this.#languages, language);
    if (ofLanguage) increase(ofLanguage, passed);
    if (nsfw === undefined) return;
    increase(this.#released, passed);
    const ofClass = this.#countsOf(this.#nsfw, nsfw);
    if (ofClass) increase(ofClass, passed);
  }

  sweep(): Sweep {
    const [start, end] = this.#shown();
    const thresholds = this.#thresholds.slice(start, end);
    const reached = (counts: Float64Array) => [...atLeast(counts).slice(start, end)];
    const judged = (counts: Float64Array) =>
      reached(counts).map((n, i) => (this.#isJudged(thresholds[i] ?? 1) ? n : null));
    const languages = [...this.#languages]
      .map(([value, counts]) => ({ value, total: sum(counts), counts }))
      .sort((a, b) => b.total - a.total || (a.value < b.value ? -1 : 1))
      .slice(0, MAX_LANGUAGES);
    return {
      own: this.#own,
      scored: sum(this.#scored),
      thresholds,
      passed: reached(this.#scored),
      released: judged(this.#released),
      languages: languages.map(({ value, counts }) => ({ value, passed: reached(counts) })),
      nsfw: ['UNLIKELY', 'UNSURE', 'NSFW'].flatMap((value) => {
        const counts = this.#nsfw.get(value);
        return counts ? [{ value, released: judged(counts) }] : [];
      }),
    };
  }

  /** From the last threshold that all pass to the first that none does, and never without the recipe's own. */
  #shown(): readonly [start: number, end: number] {
    const first = this.#scored.findIndex((n) => n > 0);
    if (first < 0) return [0, 0];
    const last = this.#scored.findLastIndex((n) => n > 0) + 1;
    const own = this.#own === null ? first : this.#thresholds.indexOf(this.#own);
    return [Math.min(first, own), Math.min(this.#thresholds.length, Math.max(last, own) + 1)];
  }

  /** Safety was asked of pairs at the recipe's own threshold and above. */
  #isJudged(threshold: number): boolean {
    return this.#own === null || threshold >= this.#own;
  }

  /** Number of the largest threshold that a similarity reaches. */
  #lastPassed(similarity: number): number {
    const thresholds = this.#thresholds;
    // The product may be a rounding error off, and the recipe's own threshold may stand between: never by more than two.
    let i = Math.min(thresholds.length - 1, Math.floor((similarity + 1) * STEPS_PER_UNIT) + 1);
    while (i > 0 && (thresholds[i] ?? 0) > similarity) i--;
    while (i + 1 < thresholds.length && (thresholds[i + 1] ?? 0) <= similarity) i++;
    return i;
  }

  #countsOf(counts: Map<string, Float64Array>, value: string): Float64Array | undefined {
    let found = counts.get(value);
    if (!found && counts.size < MAX_COUNTED) {
      found = new Float64Array(this.#thresholds.length);
      counts.set(value, found);
    }
    return found;
  }
}

function increase(counts: Float64Array, at: number): void {
  counts[at] = (counts[at] ?? 0) + 1;
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, n) => total + n, 0);
}

/** Of counts by the last threshold passed: how many pass each. */
function atLeast(counts: Float64Array): Float64Array {
  const passed = counts.slice();
  for (let i = passed.length - 2; i >= 0; i--) passed[i] = (passed[i] ?? 0) + (passed[i + 1] ?? 0);
  return passed;
}
