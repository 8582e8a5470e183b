/**
 * What is in hand of a stream of bytes that is pushed in any portions: from the first byte that is still wanted to the last
 * that has come. Positions count from the stream's beginning.
 */
export class StreamWindow {
  #bytes: Uint8Array = new Uint8Array();
  /** Whether the bytes are the window's own, and may be written behind. */
  #owned = false;
  /** Position of the first of `#bytes`. */
  #base = 0;
  #start = 0;
  #end = 0;

  /** Position behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** The bytes of positions [from, to), not copied. They stay as they are: nobody writes to them later. */
  view(from: number, to = this.#end): Uint8Array {
    return this.#bytes.subarray(from - this.#base, to - this.#base);
  }

  /** What is before a position is wanted no more. */
  keepFrom(position: number): void {
    this.#start = position;
  }

  /** Lets go of all bytes. */
  clear(): void {
    this.#bytes = new Uint8Array();
    this.#owned = false;
    this.#start = this.#base = this.#end;
  }

  /** What comes next. It is not copied, and not to be written to, where nothing before it is wanted. */
  append(bytes: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#base = this.#start;
      this.#bytes = bytes;
      this.#owned = false;
      this.#end += bytes.length;
      return;
    }
    const kept = this.#end - this.#start;
    if (!this.#owned || this.#end - this.#base + bytes.length > this.#bytes.length) {
      // Views that were given out lie in the old bytes: these are left to them, never written to again.
      const grown = new Uint8Array(Math.max(2 * kept, kept + bytes.length));
      grown.set(this.view(this.#start));
      this.#base = this.#start;
      this.#bytes = grown;
      this.#owned = true;
    }
    this.#bytes.set(bytes, this.#end - this.#base);
    this.#end += bytes.length;
  }
}
