import { bitFlips, countBits } from './hamming.ts';

/** Hashes are looked up by three parts, of so many bits from the top. */
const WIDTHS = [22, 21, 21] as const;

/**
 * Perceptual hashes of 64 bits, found by Hamming distance: of three parts of a hash one at least differs in no more than
 * a third of the bits that all differ in (Norouzi, Punjani and Fleet 2012, multi-index hashing). Three parts of some 21 bits,
 * since parts should have about as many bits as there are hashes (log2; ibidem, 3.1), here up to 16 million.
 *
 * Memory: 32 MiB, and 20 bytes a hash. Time grows with the hashes that have a part in common: many flat pictures have.
 *
 * Why not `NearHashes` of the safety room: it is made once and then asked, this one grows while it is asked.
 */
export class HashIndex {
  readonly #maxDistance: number;
  readonly #parts: readonly Part[];
  #high: Uint32Array<ArrayBuffer>;
  #low: Uint32Array<ArrayBuffer>;
  #size = 0;

  /**
   * @param maxDistance bits that may differ, 0 to 11
   * @param capacity hashes that there is memory for at once; it grows as they come
   */
  constructor(maxDistance: number, capacity = 1024) {
    this.#maxDistance = maxDistance;
    this.#high = new Uint32Array(Math.max(1, capacity));
    this.#low = new Uint32Array(Math.max(1, capacity));
    this.#parts = WIDTHS.map((width) => ({
      flips: bitFlips(width, Math.floor(maxDistance / WIDTHS.length)),
      lasts: new Uint32Array(1 << width),
      next: new Uint32Array(Math.max(1, capacity)),
    }));
  }

  get size(): number {
    return this.#size;
  }

  /** @returns its number: they are numbered from 0 */
  add(high: number, low: number): number {
    if (this.#size === this.#high.length) this.#grow();
    const at = this.#size++;
    this.#high[at] = high;
    this.#low[at] = low;
    for (const [p, { lasts, next }] of this.#parts.entries()) {
      const value = partOf(high, low, p);
      const end = lasts[value] ?? 0;
      next[at] = end === 0 ? at : (next[end - 1] ?? at);
      if (end > 0) next[end - 1] = at;
      lasts[value] = at + 1;
    }
    return at;
  }

  /** Calls with the number of each hash within the distance, and how far it is; with some more than once. */
  forNear(high: number, low: number, visit: (at: number, distance: number) => void): void {
    const most = this.#maxDistance;
    for (const [p, { flips, lasts, next }] of this.#parts.entries()) {
      const mine = partOf(high, low, p);
      for (const flip of flips) {
        const end = lasts[mine ^ flip] ?? 0;
        if (end === 0) continue;
        const last = end - 1;
        let at = last;
        do {
          at = next[at] ?? last;
          const distance = countBits((this.#high[at] ?? 0) ^ high) + countBits((this.#low[at] ?? 0) ^ low);
          if (distance <= most) visit(at, distance);
        } while (at !== last);
      }
    }
  }

  #grow(): void {
    this.#high = larger(this.#high);
    this.#low = larger(this.#low);
    for (const part of this.#parts) part.next = larger(part.next);
  }
}

/** Hashes by one of their parts: those with the same value are a ring in the order in which they came. */
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

/** By half, in place where the system can. */
export function larger(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(words.buffer.transfer(Math.ceil(words.length * 1.5) * 4));
}
