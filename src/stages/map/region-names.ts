import type { Region, Regions } from './regions.ts';
import { addCounts, addWords, noWords, tellingWords, type WordCounts, wordsOf } from './words.ts';

/** What a region is told by. */
export interface RegionTold {
  /** Best first; none where its captions have nothing in common. */
  readonly words: readonly string[];
  /** SAMPLE_ID of a row whose caption has most of these words. */
  readonly picture: number | null;
}

/** Captions of each finest region that its picture is chosen from. */
const CANDIDATES = 16;

/** A caption, as it is needed for choosing a picture. */
interface Candidate {
  readonly id: number;
  readonly words: ReadonlySet<string>;
}

/** Names regions by the captions of rows that may be shown unasked. */
export class RegionNames {
  readonly #regions: Regions;
  readonly #counts: readonly WordCounts[];
  readonly #candidates: readonly Candidate[][];

  constructor(regions: Regions) {
    this.#regions = regions;
    this.#counts = regions.all.map(noWords);
    this.#candidates = regions.all.map(() => []);
  }

  /** @param region the finest that the row lies in */
  add(region: number, id: number, caption: string): void {
    const [counts, candidates] = [this.#counts[region], this.#candidates[region]];
    if (!counts || !candidates) return;
    const words = wordsOf(caption);
    addWords(counts, words);
    if (candidates.length < CANDIDATES) candidates.push({ id, words });
  }

  /** What each region is told by; once, after the last `add`. */
  told(): RegionTold[] {
    const { all, finest } = this.#regions;
    const whole = noWords();
    // Finer regions come first, so that those around them are whole when their turn comes.
    for (const [i, { parent }] of all.entries()) {
      const here = this.#counts[i] ?? noWords();
      if (i < finest) addCounts(whole, here);
      const around = this.#counts[parent];
      if (around) addCounts(around, here);
      this.#candidates[parent]?.push(...(this.#candidates[i] ?? []));
    }
    const words = all.map(({ parent }, i) => {
      const around = this.#counts[parent];
      return tellingWords(this.#counts[i] ?? noWords(), around ? [whole, around] : [whole]);
    });
    return toldApart(all, words).map((some, i) => ({
      words: some,
      picture: chosen(some, this.#candidates[i] ?? []),
    }));
  }
}

/** The row with most of the words, the first ones counting more; of equal ones the first. */
function chosen(words: readonly string[], candidates: readonly Candidate[]): number | null {
  let [best, most] = [candidates[0]?.id ?? null, 0];
  for (const candidate of candidates) {
    const score = words.reduce((sum, word, i) => sum + (candidate.words.has(word) ? 1 / (i + 1) : 0), 0);
    if (score > most) [best, most] = [candidate.id, score];
  }
  return best;
}

/** Regions of a level are called by their first two words: where these are another's, a later word takes the second place. */
function toldApart(
  all: readonly Region[],
  words: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  const names = new Set<string>();
  return words.map((some, i) => {
    const level = all[i]?.level ?? 0;
    const [first, ...others] = some;
    if (first === undefined) return some;
    for (const second of others) {
      const name = `${level} ${[first, second].sort().join(' ')}`;
      if (names.has(name)) continue;
      names.add(name);
      return [first, second, ...others.filter((word) => word !== second)];
    }
    return some;
  });
}
