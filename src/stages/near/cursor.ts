/** A place among records that are read once, from the first to the last. */
export class Cursor {
  readonly #blocks: AsyncGenerator<Uint32Array>;
  readonly #words: number;
  #block = new Uint32Array();
  #at = 0;
  /** Number of the first record of the block. */
  #first = 0;

  constructor(blocks: AsyncGenerator<Uint32Array>, words: number) {
    this.#blocks = blocks;
    this.#words = words;
  }

  /** The record of that number. It must not be less than the one before. */
  async number(n: number): Promise<Uint32Array> {
    while ((n - this.#first) * this.#words >= this.#block.length) await this.#next();
    const at = (n - this.#first) * this.#words;
    return this.#block.subarray(at, at + this.#words);
  }

  /** The record with that first word. It must not be less than the one before. */
  async find(word: number): Promise<Uint32Array> {
    while (this.#at >= this.#block.length || this.#block[this.#at] !== word) {
      if (this.#at >= this.#block.length) await this.#next();
      else this.#at += this.#words;
    }
    return this.#block.subarray(this.#at, this.#at + this.#words);
  }

  async #next(): Promise<void> {
    this.#first += this.#block.length / this.#words;
    this.#at = 0;
    const { value } = await this.#blocks.next();
    if (!value) throw new Error('a record that was written is not there');
    this.#block = value;
  }
}
