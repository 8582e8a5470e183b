/** Bytes of a digest that are held: 128 bits, so that two that differ do not meet by chance (10⁹ of them: 10⁻²⁰). */
const WIDTH = 16;
/** Parts of a sort with fewer digests are sorted by insertion. */
const SMALL = 24;

/**
 * A set of cryptographic digests (MD5, SHA-1, SHA-256, of which the first 128 bits count) in one array of 16 bytes a
 * digest, sorted when it is first asked, and looked up by halving: ten million take 160 MB, where a Set of strings
 * takes more than a gigabyte.
 */
export class DigestSet {
  #bytes = new Uint8Array(1024 * WIDTH);
  #size = 0;
  #sorted = true;

  /** Digests that were added, repeated ones each time. */
  get size(): number {
    return this.#size;
  }

  /** @param digest 16 bytes or more */
  add(digest: Uint8Array): void {
    const end = (this.#size + 1) * WIDTH;
    // By half: a list of tens of millions is never held three times over while it grows.
    if (end > this.#bytes.length)
      this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(Math.ceil(this.#size * 1.5) * WIDTH));
    this.#bytes.set(digest.subarray(0, WIDTH), this.#size++ * WIDTH);
    this.#sorted = false;
  }

  has(digest: Uint8Array): boolean {
    if (!this.#sorted) sortRange(this.#bytes, 0, this.#size, 0);
    this.#sorted = true;
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compare(this.#bytes, middle * WIDTH, digest, 0, 0);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

/** Compares two digests from their byte `from` on. */
function compare(a: Uint8Array, atA: number, b: Uint8Array, atB: number, from: number): number {
  for (let i = from; i < WIDTH; i++) {
    const difference = (a[atA + i] ?? 0) - (b[atB + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Sorts digests [start, end), equal before their byte `depth`, in place: each goes to the part of its byte there, and
 * the parts are sorted by the next one (American flag sort, McIlroy, Bostic and McIlroy 1993).
 */
function sortRange(bytes: Uint8Array, start: number, end: number, depth: number): void {
  if (end - start < SMALL || depth === WIDTH) {
    insertionSort(bytes, start, end, depth);
    return;
  }
  const ends = new Uint32Array(256);
  for (let at = start; at < end; at++) count(ends, bytes[at * WIDTH + depth] ?? 0);
  const next = new Uint32Array(256);
  for (let part = 0, sum = start; part < 256; part++) {
    next[part] = sum;
    sum += ends[part] ?? 0;
    ends[part] = sum;
  }
  const starts = next.slice();
  for (let part = 0; part < 256; part++)
    while ((next[part] ?? 0) < (ends[part] ?? 0)) {
      const at = next[part] ?? 0;
      const target = bytes[at * WIDTH + depth] ?? 0;
      if (target !== part) swap(bytes, at, next[target] ?? 0);
      count(next, target);
    }
  for (let part = 0; part < 256; part++) sortRange(bytes, starts[part] ?? 0, ends[part] ?? 0, depth + 1);
}

function count(counts: Uint32Array, of: number): void {
  counts[of] = (counts[of] ?? 0) + 1;
}

const spare = new Uint8Array(WIDTH);

function swap(bytes: Uint8Array, a: number, b: number): void {
  spare.set(bytes.subarray(a * WIDTH, (a + 1) * WIDTH));
  bytes.copyWithin(a * WIDTH, b * WIDTH, (b + 1) * WIDTH);
  bytes.set(spare, b * WIDTH);
}

function insertionSort(bytes: Uint8Array, start: number, end: number, depth: number): void {
  for (let at = start + 1; at < end; at++) {
    spare.set(bytes.subarray(at * WIDTH, (at + 1) * WIDTH));
    let to = at;
    while (to > start && compare(bytes, (to - 1) * WIDTH, spare, 0, depth) > 0) to--;
    if (to === at) continue;
    bytes.copyWithin((to + 1) * WIDTH, to * WIDTH, at * WIDTH);
    bytes.set(spare, to * WIDTH);
  }
}
