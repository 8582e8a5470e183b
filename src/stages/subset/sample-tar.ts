import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { checkedStream, StretchReader } from '../checked-stream.ts';

/** Everything in a tar is padded to blocks of this size. POSIX.1-2017, pax, "ustar Interchange Format". */
const BLOCK = 512;
const DOT = 0x2e;
/** Type of a regular file. */
const REGULAR = 0x30;
const USTAR = Buffer.from('ustar');

/**
 * A tar that a release has, sample by sample: of those that are passed over only headers are looked at. It takes no tars of
 * others: names are in the header, as KEY.EXTENSION.
 */
export class SampleTar {
  readonly #reader: StretchReader;
  readonly #path: string;
  /** Where the next header begins. */
  #at = 0;
  #samples = 0;

  /** @param path of the tar, and for messages */
  constructor(storage: Storage, path: string) {
    this.#path = `${storage.location}/${path}`;
    this.#reader = new StretchReader(checkedStream(storage, path, undefined), this.#path);
  }

  /** Samples that were taken or passed over. */
  get samples(): number {
    return this.#samples;
  }

  /** Goes over the next sample. @throws GleanerError DAMAGED where there is none, or something else */
  async pass(): Promise<void> {
    const first = await this.#header();
    const key = Buffer.from(first.subarray(0, this.#keyLength(first) + 1));
    this.#at += BLOCK + padded(sizeOf(first));
    for (let block = await this.#block(); startsWith(block, key); block = await this.#block())
      this.#at += BLOCK + padded(sizeOf(block));
    this.#samples++;
  }

  /**
   * Reads the files of the next sample, one after the other.
   * @param onFile its bytes are good until it is done with
   * @throws GleanerError DAMAGED where the sample has another key
   */
  async take(key: string, onFile: (extension: string, bytes: Uint8Array) => Promise<unknown>): Promise<void> {
    const wanted = Buffer.from(`${key}.`);
    let block = await this.#header();
    if (!startsWith(block, wanted)) {
      const found = Buffer.from(block.subarray(0, this.#keyLength(block))).toString('latin1');
      throw this.#damaged(`sample ${this.#samples} is ${found}, where its metadata has ${key}`);
    }
    for (; startsWith(block, wanted); block = await this.#block()) {
      this.#check(block);
      const [start, length] = [this.#at + BLOCK, sizeOf(block)];
      const end = block.indexOf(0, wanted.length);
      const extension = Buffer.from(block.subarray(wanted.length, end)).toString('latin1');
      await onFile(extension, this.#reader.here(start, length) ?? (await this.#reader.take(start, length)));
      this.#at = start + padded(length);
    }
    this.#samples++;
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async #block(): Promise<Uint8Array> {
    return this.#reader.here(this.#at, BLOCK) ?? this.#reader.take(this.#at, BLOCK);
  }

  async #header(): Promise<Uint8Array> {
    const block = await this.#block();
    if (block[0] === 0) throw this.#damaged(`has ${this.#samples} samples, fewer than its metadata has rows`);
    for (let i = 0; i < USTAR.length; i++)
      if (block[257 + i] !== USTAR[i] || block[156] !== REGULAR)
        throw this.#damaged(`is no tar of a release, or a header is damaged (at byte ${this.#at})`);
    return block;
  }

  #keyLength(block: Uint8Array): number {
    const length = block.indexOf(DOT);
    if (length > 0 && length < 100) return length;
    throw this.#damaged(`holds a file that is of no sample (at byte ${this.#at})`);
  }

  /** The checksum counts itself as blanks. */
  #check(block: Uint8Array): void {
    let sum = 8 * 0x20;
    for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0 : (block[i] ?? 0);
    if (octal(block, 148, 6) !== sum) throw this.#damaged(`a header is damaged (at byte ${this.#at})`);
  }

  #damaged(problem: string): GleanerError {
    return new GleanerError('DAMAGED', { path: this.#path, problem: `${problem}.` });
  }
}

function startsWith(block: Uint8Array, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (block[i] !== bytes[i]) return false;
  return true;
}

function sizeOf(block: Uint8Array): number {
  return octal(block, 124, 11);
}

function padded(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK;
}

/** What is no digit makes a number that nothing fits. */
function octal(block: Uint8Array, start: number, digits: number): number {
  let value = 0;
  for (let i = start; i < start + digits; i++) {
    const digit = (block[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return Number.NaN;
    value = value * 8 + digit;
  }
  return value;
}
