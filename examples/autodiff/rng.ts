/** Seeded random numbers: every random choice of training comes from here, so that a run can be repeated. */

/** FNV-1a, 32 bits: turns the words that name a purpose ("view 3 of noto:ant") into a seed. */
export function seedOf(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(parts.join('\u0000'))) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}

/** sfc32 (Chris Doty-Humphrey, PractRand; public domain): 128 bits of state, period at least 2^32. */
export class Rng {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed, 0x9e3779b1) | 0;
    for (let i = 0; i < 15; i++) this.bits();
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.bits() / 2 ** 32);
  }

  /** Uniform integer in [0, below). */
  int(below: number): number {
    return Math.floor(this.uniform(0, below));
  }

  /** Uniform on a logarithmic scale, in [low, high). */
  logUniform(low: number, high: number): number {
    return Math.exp(this.uniform(Math.log(low), Math.log(high)));
  }

  /** Normal with mean 0 (Box and Muller). */
  normal(deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.int(items.length)] as T;
  }

  /** A shuffled copy (Fisher and Yates), or its first `count` items. */
  sample<T>(items: readonly T[], count = items.length): T[] {
    const copy = [...items];
    const end = Math.min(count, copy.length);
    for (let i = 0; i < end; i++) {
      const j = i + this.int(copy.length - i);
      [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
    }
    return copy.slice(0, end);
  }

  /** Fills an array with random bytes. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.bits();
      for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = word >>> (8 * j);
    }
  }
}
