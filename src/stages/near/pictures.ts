import { countBits } from '../../image/hamming.ts';
import { HashIndex, larger } from '../../image/hash-index.ts';
import { floatWord, type KeptSet } from './kept-set.ts';

/** Words of a picture: its rank, then the 64 bits of its hash. */
export const PICTURE_WORDS = 3;

/** The most hashes that are kept at once: 24 bytes each. */
const MAX_KEPT = 1 << 24;

/**
 * Whether a hash says enough to tell pictures apart by it: plain grounds, gradients and the like have few ones, or few
 * zeros, all of them much the same.
 */
export function saysEnough(high: number, low: number, minBits: number): boolean {
  const ones = countBits(high) + countBits(low);
  return Math.min(ones, 64 - ones) >= minBits;
}

/** Perceptual hashes that are kept, found by Hamming distance (`HashIndex`). */
export class KeptPictures implements KeptSet {
  readonly #maxKept: number;
  readonly #hashes: HashIndex;
  #ranks = new Uint32Array(1024);

  /**
   * @param maxDistance bits that may differ, 0 to 11
   * @param maxKept what memory holds. @default 16,777,216
   */
  constructor(maxDistance: number, maxKept = MAX_KEPT) {
    this.#maxKept = maxKept;
    this.#hashes = new HashIndex(maxDistance);
  }

  take(records: Uint32Array): { drops: Uint32Array; rest: Uint32Array } {
    const drops: number[] = [];
    const rest: number[] = [];
    for (let at = 0; at < records.length; at += PICTURE_WORDS) {
      const [rank = 0, high = 0, low = 0] = records.subarray(at, at + PICTURE_WORDS);
      const like = this.#nearest(high, low);
      if (like) drops.push(rank, this.#ranks[like.at] ?? 0, floatWord(like.distance));
      else if (this.#hashes.size < this.#maxKept) this.#add(rank, high, low);
      else rest.push(rank, high, low);
    }
    return { drops: Uint32Array.from(drops), rest: Uint32Array.from(rest) };
  }

  /** The nearest within the distance; of equally near ones the first that was kept. */
  #nearest(high: number, low: number): { readonly at: number; readonly distance: number } | undefined {
    let best = -1;
    let least = 0;
    this.#hashes.forNear(high, low, (at, distance) => {
      if (best >= 0 && (distance > least || (distance === least && at >= best))) return;
      best = at;
      least = distance;
    });
    return best < 0 ? undefined : { at: best, distance: least };
  }

  #add(rank: number, high: number, low: number): void {
    const at = this.#hashes.add(high, low);
    if (at === this.#ranks.length) this.#ranks = larger(this.#ranks);
    this.#ranks[at] = rank;
  }
}
