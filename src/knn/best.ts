export interface Taken {
  readonly scores: Float64Array<ArrayBuffer>;
  readonly ids: Uint32Array<ArrayBuffer>;
  readonly places: Uint32Array<ArrayBuffer>;
}

/**
 * The best of what is pushed: those with the greatest scores, of equal ones those with the least ids. A heap with the
 * worst of them on top.
 */
export class Best {
  #scores: Float64Array<ArrayBuffer>;
  #ids: Uint32Array<ArrayBuffer>;
  #places: Uint32Array<ArrayBuffer>;
  #size = 0;
  #most = 0;

  constructor() {
    this.#scores = new Float64Array(0);
    this.#ids = new Uint32Array(0);
    this.#places = new Uint32Array(0);
  }

  /** Empties it. @param most that are kept */
  start(most: number): void {
    this.#size = 0;
    this.#most = most;
    if (most <= this.#scores.length) return;
    this.#scores = new Float64Array(most);
    this.#ids = new Uint32Array(most);
    this.#places = new Uint32Array(most);
  }

  get size(): number {
    return this.#size;
  }

  /** What a score has to reach to be among them. */
  get threshold(): number {
    return this.#size < this.#most ? Number.NEGATIVE_INFINITY : (this.#scores[0] ?? Number.NEGATIVE_INFINITY);
  }

  /** @param place comes back with it */
  push(score: number, id: number, place: number): void {
    if (this.#size < this.#most) {
      this.#up(this.#size++, score, id, place);
      return;
    }
    if (this.#most > 0 && worse(this.#scores[0] ?? 0, this.#ids[0] ?? 0, score, id))
      this.#down(score, id, place);
  }

  /** All of them, best first; the heap is empty then. The arrays are the caller's. */
  take(): Taken {
    const size = this.#size;
    // The worst goes behind all that are left, again and again.
    while (this.#size > 1) {
      const last = --this.#size;
      const [score, id, place] = [this.#scores[last] ?? 0, this.#ids[last] ?? 0, this.#places[last] ?? 0];
      this.#move(0, last);
      this.#down(score, id, place);
    }
    this.#size = 0;
    return {
      scores: this.#scores.slice(0, size),
      ids: this.#ids.slice(0, size),
      places: this.#places.slice(0, size),
    };
  }

  #up(from: number, score: number, id: number, place: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!worse(score, id, this.#scores[parent] ?? 0, this.#ids[parent] ?? 0)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, score, id, place);
  }

  #down(score: number, id: number, place: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      const other = child + 1;
      if (
        other < this.#size &&
        worse(
          this.#scores[other] ?? 0,
          this.#ids[other] ?? 0,
          this.#scores[child] ?? 0,
          this.#ids[child] ?? 0,
        )
      )
        child = other;
      if (!worse(this.#scores[child] ?? 0, this.#ids[child] ?? 0, score, id)) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, score, id, place);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#scores[from] ?? 0, this.#ids[from] ?? 0, this.#places[from] ?? 0);
  }

  #put(at: number, score: number, id: number, place: number): void {
    this.#scores[at] = score;
    this.#ids[at] = id;
    this.#places[at] = place;
  }
}

function worse(score: number, id: number, thanScore: number, thanId: number): boolean {
  return score < thanScore || (score === thanScore && id > thanId);
}
