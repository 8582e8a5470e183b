import { createHash } from 'node:crypto';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';

/**
 * The bytes of a file that an earlier stage left, in order, and an error at the end where they are not what that stage
 * wrote: what comes of them gets its name after that only. A chunk is good until the next is asked for.
 *
 * @param sha256 as the manifest has it; without it nothing is checked
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function* checkedStream(
  storage: Storage,
  path: string,
  sha256: string | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digest = sha256 === undefined ? undefined : createHash('sha256');
  for await (const chunk of storage.stream(path, { passing: true })) {
    digest?.update(chunk);
    yield chunk;
  }
  if (digest && digest.digest('hex') !== sha256)
    throw new GleanerError('DAMAGED', {
      path: `${storage.location}/${path}`,
      problem: 'its content has changed (sha256 differs). Remove it and run again: it is made anew.',
    });
}

/** Stretches of a file that are asked for in order, each once, out of a stream that is read once. */
export class StretchReader {
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #path: string;
  #chunk: Uint8Array = new Uint8Array();
  /** Where the chunk begins in the file. */
  #at = 0;

  /** @param path for messages */
  constructor(chunks: AsyncGenerator<Uint8Array, void, undefined>, path: string) {
    this.#chunks = chunks;
    this.#path = path;
  }

  /** Bytes [start, start + length), where the chunk that is there holds them; undefined where more has to be read. */
  here(start: number, length: number): Uint8Array | undefined {
    const from = start - this.#at;
    return from >= 0 && from + length <= this.#chunk.length
      ? this.#chunk.subarray(from, from + length)
      : undefined;
  }

  /**
   * The bytes [start, start + length); they are good until the next are asked for.
   * @throws GleanerError DAMAGED where the file ends before, or where they begin before what was read already
   */
  async take(start: number, length: number): Promise<Uint8Array> {
    if (start < this.#at || length < 0)
      throw this.#damaged(`${length} bytes at byte ${start} are out of order`);
    const taken = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const from = start + done - this.#at;
      const part = this.#chunk.subarray(from, from + length - done);
      taken.set(part, done);
      done += part.length;
      if (done < length && !(await this.#next())) throw this.#damaged('is cut off');
    }
    return taken;
  }

  /** Reads what is left, so that all of it is checked. */
  async finish(): Promise<void> {
    while (await this.#next()) {
      // It is the stream that looks at the bytes.
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return();
  }

  async #next(): Promise<boolean> {
    const next = await this.#chunks.next();
    this.#at += this.#chunk.length;
    this.#chunk = next.value ?? new Uint8Array();
    return next.done !== true;
  }

  #damaged(problem: string): GleanerError {
    return new GleanerError('DAMAGED', { path: this.#path, problem: `${problem}.` });
  }
}
