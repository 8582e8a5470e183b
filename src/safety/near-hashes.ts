import { bitFlips, countBits } from '../image/hamming.ts';

/** A hash is looked up by four parts of 16 bits. */
const PARTS = 4;
const PART_VALUES = 1 << 16;

/**
 * 64-bit hashes, found by Hamming distance: of four parts of 16 bits one at least differs in no more than a quarter of
 * the bits that all differ in (Norouzi, Punjani and Fleet 2012, multi-index hashing), so that only hashes with such a part
 * are looked at. 24 bytes a hash; of ten million some 600 are looked at for distances to 3, 10,000 to 7, 420,000 to 15.
 */
export class NearHashes {
  #high = new Uint32Array(1024);
  #low = new Uint32Array(1024);
  #size = 0;
  #index: readonly PartIndex[] | undefined;

  get size(): number {
    return this.#size;
  }

  /** @param hash 16 hexadecimal digits */
  add(hash: string): void {
    if (this.#size === this.#high.length) {
      this.#high = grown(this.#high);
      this.#low = grown(this.#low);
    }
    this.#high[this.#size] = Number.parseInt(hash.slice(0, 8), 16);
    this.#low[this.#size++] = Number.parseInt(hash.slice(8), 16);
    this.#index = undefined;
  }

  /**
   * The nearest of the hashes within a distance; of several the least.
   * @param hash 16 hexadecimal digits
   * @param maxDistance bits that may differ, 0 to 15
   * @returns its 16 hexadecimal digits
   */
  nearest(hash: string, maxDistance: number): string | undefined {
    this.#index ??= Array.from({ length: PARTS }, (_, part) => this.#indexOf(part));
    const high = Number.parseInt(hash.slice(0, 8), 16);
    const low = Number.parseInt(hash.slice(8), 16);
    const flips = bitFlips(16, Math.floor(maxDistance / PARTS));
    let best: { readonly distance: number; readonly found: string } | undefined;
    for (const [part, { starts, order }] of this.#index.entries()) {
      const mine = partOf(high, low, part);
      for (const flip of flips)
        for (let i = starts[mine ^ flip] ?? 0; i < (starts[(mine ^ flip) + 1] ?? 0); i++) {
          const at = order[i] ?? 0;
          const [h, l] = [this.#high[at] ?? 0, this.#low[at] ?? 0];
          const distance = countBits(h ^ high) + countBits(l ^ low);
          if (distance > maxDistance || distance > (best?.distance ?? distance)) continue;
          const found = hex(h) + hex(l);
          if (!best || distance < best.distance || found < best.found) best = { distance, found };
        }
    }
    return best?.found;
  }

  #indexOf(part: number): PartIndex {
    const starts = new Uint32Array(PART_VALUES + 1);
    const mine = (at: number) => partOf(this.#high[at] ?? 0, this.#low[at] ?? 0, part);
    for (let at = 0; at < this.#size; at++) bump(starts, mine(at) + 1);
    for (let value = 0; value < PART_VALUES; value++)
      starts[value + 1] = (starts[value + 1] ?? 0) + (starts[value] ?? 0);
    const next = starts.slice();
    const order = new Uint32Array(this.#size);
    for (let at = 0; at < this.#size; at++) {
      const value = mine(at);
      order[next[value] ?? 0] = at;
      bump(next, value);
    }
    return { starts, order };
  }
}

/** Places of hashes in the order of one of their parts: those with value v are order[starts[v]] to order[starts[v + 1] - 1]. */
interface PartIndex {
  readonly starts: Uint32Array;
  readonly order: Uint32Array;
}

function partOf(high: number, low: number, part: number): number {
  return ((part < 2 ? high : low) >>> (part % 2 === 0 ? 16 : 0)) & 0xffff;
}

function bump(counts: Uint32Array, at: number): void {
  counts[at] = (counts[at] ?? 0) + 1;
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(words.buffer.transfer(Math.ceil(words.length * 1.5) * 4));
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
