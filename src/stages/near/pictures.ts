import { bitFlips, countBits } from '../../image/hamming.ts';
import { floatWord, type KeptSet } from './kept-set.ts';

/** Words of a picture: its rank, then the 64 bits of its hash. */
export const PICTURE_WORDS = 3;

/** The most hashes that are kept at once: 24 bytes each. */
const MAX_KEPT = 1 << 24;
/** Hashes are looked up by three parts, of so many bits from the top. */
const WIDTHS = [22, 21, 21] as const;
const NONE = 0xffffffff;

/**
 * Whether a hash says enough to tell pictures apart by it: plain grounds, gradients and the like have few ones, or few
 * zeros, all of them much the same.
 */
export function saysEnough(high: number, low: number, minBits: number): boolean {
  const ones = countBits(high) + countBits(low);
  return Math.min(ones, 64 - ones) >= minBits;
}

/**
 * Perceptual hashes that are kept, found by Hamming distance: of three parts of a hash one at least differs in no more than
 * a third of the bits that all differ in (Norouzi, Punjani and Fleet 2012, multi-index hashing). Three parts of some 21 bits,
 * since parts should have about as many bits as there are hashes (log2; ibidem, 3.1), here up to 16 million.
 *
 * Why not `NearHashes` of the safety room: it is made once and then asked, this one grows with every row that is kept.
 */
export class KeptPictures implements KeptSet {
  readonly #maxDistance: number;
  readonly #maxKept: number;
  readonly #parts: readonly Part[];
  #high = new Uint32Array(1024);
  #low = new Uint32Array(1024);
  #ranks = new Uint32Array(1024);
  #size = 0;

  /**
   * @param maxDistance bits that may differ, 0 to 11
   * @param maxKept what memory holds. @default 16,777,216
   */
  constructor(maxDistance: number, maxKept = MAX_KEPT) {
    this.#maxDistance = maxDistance;
    this.#maxKept = maxKept;
    this.#parts = WIDTHS.map((width) => ({
      flips: bitFlips(width, Math.floor(maxDistance / WIDTHS.length)),
      lasts: new Uint32Array(1 << width),
      next: new Uint32Array(1024),
    }));
  }

  take(records: Uint32Array): { drops: Uint32Array; rest: Uint32Array } {
    const drops: number[] = [];
    const rest: number[] = [];
    for (let at = 0; at < records.length; at += PICTURE_WORDS) {
      const [rank = 0, high = 0, low = 0] = records.subarray(at, at + PICTURE_WORDS);
      const like = this.#nearest(high, low);
      if (like !== NONE) drops.push(rank, this.#ranks[like] ?? 0, floatWord(this.#distance(like, high, low)));
      else if (this.#size < this.#maxKept) this.#add(rank, high, low);
      else rest.push(rank, high, low);
    }
    return { drops: Uint32Array.from(drops), rest: Uint32Array.from(rest) };
  }

  /** Number of the nearest within the distance; of equally near ones the first that was kept. */
  #nearest(high: number, low: number): number {
    let best = NONE;
    let least = this.#maxDistance;
    for (const [p, { flips, lasts, next }] of this.#parts.entries()) {
      const mine = partOf(high, low, p);
      for (const flip of flips) {
        const end = lasts[mine ^ flip] ?? 0;
        if (end === 0) continue;
        const last = end - 1;
        let at = last;
        do {
          at = next[at] ?? last;
          const distance = this.#distance(at, high, low);
          if (distance < least || (distance === least && at < best)) {
            best = at;
            least = distance;
          }
        } while (at !== last);
      }
    }
    return best;
  }

  #distance(at: number, high: number, low: number): number {
    return countBits((this.#high[at] ?? 0) ^ high) + countBits((this.#low[at] ?? 0) ^ low);
  }

  #add(rank: number, high: number, low: number): void {
    if (this.#size === this.#high.length) this.#grow();
    const at = this.#size++;
    this.#high[at] = high;
    this.#low[at] = low;
    this.#ranks[at] = rank;
    for (const [p, { lasts, next }] of this.#parts.entries()) {
      const value = partOf(high, low, p);
      const end = lasts[value] ?? 0;
      next[at] = end === 0 ? at : (next[end - 1] ?? at);
      if (end > 0) next[end - 1] = at;
      lasts[value] = at + 1;
    }
  }

  #grow(): void {
    this.#high = larger(this.#high);
    this.#low = larger(this.#low);
    this.#ranks = larger(this.#ranks);
    for (const part of this.#parts) part.next = larger(part.next);
  }
}

/** Hashes by one of their parts: those with the same value are a ring in the order in which they were kept. */
interface Part {
  readonly flips: readonly number[];
  /** For each value one more than the number of the last hash that has it; 0 where none has, as memory begins. */
  readonly lasts: Uint32Array;
  /** For each hash the next with the same value; after the last, the first. */
  next: Uint32Array<ArrayBuffer>;
}

function partOf(high: number, low: number, part: number): number {
  if (part === 0) return high >>> 10;
  return part === 1 ? ((high & 0x3ff) << 11) | (low >>> 21) : low & 0x1fffff;
}

function larger(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(words.buffer.transfer(Math.ceil(words.length * 1.5) * 4));
}
