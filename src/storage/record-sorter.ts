import { RecordFile } from './record-file.ts';

/** Memory for records that are not sorted yet, in bytes; as much again while they are. */
const MEMORY_BYTES = 64 << 20;
/** Records that are handed out at once, about, in bytes. */
const BLOCK_BYTES = 1 << 18;

export interface SorterOptions {
  /** Words a record. */
  readonly words: number;
  /** The first so many words are what records are sorted by: unsigned, the first word first. */
  readonly keyWords: number;
  /** @default 64 MiB */
  readonly memoryBytes?: number;
}

/**
 * Sorts more records of 32-bit words than memory holds: runs are sorted as memory is full and written, then merged. Equal
 * keys come in any order, so that whoever minds has a word in the key that tells them apart.
 */
export class RecordSorter implements AsyncDisposable {
  readonly #options: SorterOptions;
  readonly #runs: RecordFile;
  /** Where each run begins, in records. */
  readonly #starts: number[] = [];
  readonly #most: number;
  #buffer: Uint32Array;
  #count = 0;

  /** @param folder for what memory does not hold */
  constructor(folder: string, options: SorterOptions) {
    this.#options = options;
    this.#runs = new RecordFile(folder, options.words);
    this.#most = Math.max(2, Math.floor((options.memoryBytes ?? MEMORY_BYTES) / (4 * options.words)));
    this.#buffer = new Uint32Array(Math.min(this.#most, 1024) * options.words);
  }

  get size(): number {
    return this.#runs.size + this.#count;
  }

  /** @param records whole ones; the memory stays the caller's */
  async add(records: Uint32Array): Promise<void> {
    const { words } = this.#options;
    const total = records.length / words;
    for (let done = 0; done < total; ) {
      const some = Math.min(total - done, this.#most - this.#count);
      this.#reserve(this.#count + some);
      this.#buffer.set(records.subarray(done * words, (done + some) * words), this.#count * words);
      this.#count += some;
      done += some;
      if (this.#count === this.#most) await this.#spill();
    }
  }

  /** All records in order, in blocks; to be called once, after the last `add`. A block is the caller's. */
  async *sorted(): AsyncGenerator<Uint32Array> {
    const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / (4 * this.#options.words)));
    if (this.#starts.length === 0) {
      const order = this.#order();
      for (let at = 0; at < order.length; at += perBlock) yield this.#pick(order.subarray(at, at + perBlock));
      return;
    }
    if (this.#count > 0) await this.#spill();
    yield* this.#merge(perBlock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runs[Symbol.asyncDispose]();
  }

  #reserve(count: number): void {
    const { words } = this.#options;
    if (count * words <= this.#buffer.length) return;
    const larger = new Uint32Array(
      Math.min(this.#most, Math.max(count, (2 * this.#buffer.length) / words)) * words,
    );
    larger.set(this.#buffer.subarray(0, this.#count * words));
    this.#buffer = larger;
  }

  /** Numbers of the records in memory, in order. */
  #order(): Uint32Array {
    const { words, keyWords } = this.#options;
    const buffer = this.#buffer;
    const order = new Uint32Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    return order.sort((a, b) => compareWords(buffer, a * words, buffer, b * words, keyWords));
  }

  #pick(order: Uint32Array): Uint32Array {
    const { words } = this.#options;
    const block = new Uint32Array(order.length * words);
    for (let i = 0; i < order.length; i++) {
      const from = (order[i] ?? 0) * words;
      for (let w = 0; w < words; w++) block[i * words + w] = this.#buffer[from + w] ?? 0;
    }
    return block;
  }

  async #spill(): Promise<void> {
    this.#starts.push(this.#runs.size);
    const order = this.#order();
    const perBlock = Math.max(1, Math.floor((1 << 20) / (4 * this.#options.words)));
    for (let at = 0; at < order.length; at += perBlock)
      await this.#runs.append(this.#pick(order.subarray(at, at + perBlock)));
    this.#count = 0;
  }

  async *#merge(perBlock: number): AsyncGenerator<Uint32Array> {
    const { words, keyWords } = this.#options;
    this.#buffer = new Uint32Array();
    const runBytes = Math.max(1 << 14, Math.floor((this.#most * words * 4) / this.#starts.length));
    const heads: Head[] = [];
    for (const [i, start] of this.#starts.entries()) {
      const blocks = this.#runs.read(
        start,
        this.#starts[i + 1] ?? this.#runs.size,
        Math.min(runBytes, 1 << 20),
      );
      const head: Head = { blocks, block: new Uint32Array(), at: 0 };
      if (await next(head)) heads.push(head);
    }
    const before = (a: Head, b: Head) => compareWords(a.block, a.at, b.block, b.at, keyWords) < 0;
    for (let i = heads.length >> 1; i >= 0; i--) sink(heads, i, before);
    let out = new Uint32Array(perBlock * words);
    let filled = 0;
    for (;;) {
      const head = heads[0];
      if (!head) break;
      for (let w = 0; w < words; w++) out[filled + w] = head.block[head.at + w] ?? 0;
      filled += words;
      if (filled === out.length) {
        yield out;
        out = new Uint32Array(perBlock * words);
        filled = 0;
      }
      head.at += words;
      if (head.at === head.block.length && !(await next(head))) {
        const last = heads.pop();
        if (last && last !== head) heads[0] = last;
      }
      sink(heads, 0, before);
    }
    if (filled > 0) yield out.slice(0, filled);
  }
}

/** A run that is being merged: its least record is at word `at` of `block`. */
interface Head {
  readonly blocks: AsyncGenerator<Uint32Array>;
  block: Uint32Array;
  at: number;
}

async function next(head: Head): Promise<boolean> {
  const { value } = await head.blocks.next();
  if (!value) return false;
  head.block = value;
  head.at = 0;
  return true;
}

/** Puts one element of a heap to its place. */
function sink(heap: Head[], from: number, before: (a: Head, b: Head) => boolean): void {
  for (let at = from; ; ) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      const [one, other] = [heap[child], heap[least]];
      if (one && other && before(one, other)) least = child;
    }
    const [here, there] = [heap[at], heap[least]];
    if (least === at || !here || !there) return;
    heap[at] = there;
    heap[least] = here;
    at = least;
  }
}

function compareWords(a: Uint32Array, i: number, b: Uint32Array, j: number, words: number): number {
  for (let w = 0; w < words; w++) {
    const difference = (a[i + w] ?? 0) - (b[j + w] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
