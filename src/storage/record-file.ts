import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PENDING } from './file.ts';

/** Bytes that are read at once, about, where nobody says otherwise. */
const BLOCK_BYTES = 1 << 20;
/** Small blocks are gathered to so many bytes before they are written. */
const WRITE_BYTES = 1 << 18;

/**
 * Records of so many 32-bit words each, on disk for a while: written in order, read in order as often as one likes. The
 * file has no name that anybody sees, and goes with the process. Not for other machines: words are in this one's order.
 */
export class RecordFile implements AsyncDisposable {
  /** Words a record. */
  readonly words: number;
  readonly #folder: string;
  #file: Promise<{ readonly handle: FileHandle; readonly path: string }> | undefined;
  #held: Uint32Array[] = [];
  #heldBytes = 0;
  #writtenBytes = 0;

  /** @param folder for the file; made where it is not there */
  constructor(folder: string, words: number) {
    this.#folder = folder;
    this.words = words;
  }

  /** Records written so far. */
  get size(): number {
    return (this.#writtenBytes + this.#heldBytes) / (4 * this.words);
  }

  /** @param records whole ones; the memory stays the caller's */
  async append(records: Uint32Array): Promise<void> {
    if (records.length === 0) return;
    this.#held.push(records.slice());
    this.#heldBytes += records.byteLength;
    if (this.#heldBytes >= WRITE_BYTES) await this.#write();
  }

  /**
   * Records [start, end) in order, in blocks of whole ones. A block is the caller's.
   * @param blockBytes what one may take, about
   */
  async *read(start = 0, end = this.size, blockBytes = BLOCK_BYTES): AsyncGenerator<Uint32Array> {
    await this.#write();
    const file = await this.#file;
    const recordBytes = 4 * this.words;
    const perBlock = Math.max(1, Math.floor(blockBytes / recordBytes));
    for (let at = start; file && at < end; at += perBlock) {
      const block = new Uint32Array(Math.min(perBlock, end - at) * this.words);
      const bytes = new Uint8Array(block.buffer);
      for (let done = 0; done < bytes.length; ) {
        const position = at * recordBytes + done;
        const { bytesRead } = await file.handle.read(bytes, done, bytes.length - done, position);
        if (bytesRead === 0) throw new Error('records that were written are gone');
        done += bytesRead;
      }
      yield block;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = [];
    const file = await this.#file?.catch(() => undefined);
    if (!file) return;
    await file.handle.close();
    await rm(file.path, { force: true });
  }

  async #write(): Promise<void> {
    const [held, bytes] = [this.#held, this.#heldBytes];
    if (bytes === 0) return;
    this.#held = [];
    this.#heldBytes = 0;
    this.#file ??= createScratch(this.#folder);
    const { handle } = await this.#file;
    const all = held.length === 1 && held[0] ? bytesOf(held[0]) : Buffer.concat(held.map(bytesOf), bytes);
    for (let done = 0; done < bytes; )
      done += (await handle.write(all, done, bytes - done, this.#writtenBytes + done)).bytesWritten;
    this.#writtenBytes += bytes;
  }
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/**
 * Fills something that is to be disposed of, which the caller then has to do; where that fails, it is done here. (Node 26 ends
 * a process that leaves an open file to the garbage collector.)
 */
export async function filled<T extends AsyncDisposable>(
  made: T,
  fill: (made: T) => Promise<void>,
): Promise<T> {
  try {
    await fill(made);
    return made;
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
}

/** A file without a name: it goes with the process, however that ends; Windows keeps the name until it is closed. */
export async function createScratch(
  folder: string,
): Promise<{ readonly handle: FileHandle; readonly path: string }> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${PENDING}scratch-${randomBytes(8).toString('hex')}`);
  const handle = await open(path, 'wx+');
  await unlink(path).catch(() => undefined);
  return { handle, path };
}
