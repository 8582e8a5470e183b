import { type FileHandle, rm } from 'node:fs/promises';
import { createScratch } from './record-file.ts';

/** Memory that several shelves have together. */
export class ShelfRoom {
  readonly #limit: number;
  #held = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns whether there is room for so many bytes, which are taken then */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limit) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** Bytes that wait for their turn. */
export interface Shelved {
  /** Gives them back; to be called once. */
  take(): Promise<Uint8Array>;
}

/**
 * Keeps bytes until their turn: in memory while there is room, then in a file that nobody else sees. So what comes early
 * waits for what comes late at the price of disk, which may hold as much as all that is put here.
 */
export class Shelf implements AsyncDisposable {
  readonly #room: ShelfRoom;
  readonly #folder: string;
  #file: Promise<{ readonly handle: FileHandle; readonly path: string }> | undefined;
  #end = 0;
  /** What lies in the file and was not taken. */
  #waiting = 0;

  /** @param folder for the file; made where it is not there */
  constructor(room: ShelfRoom, folder: string) {
    this.#room = room;
    this.#folder = folder;
  }

  /** @param bytes a whole buffer; they are the shelf's from here on, and freed where they go to disk */
  async put(bytes: Uint8Array): Promise<Shelved> {
    const { length } = bytes;
    if (this.#room.take(length))
      return {
        take: async () => {
          this.#room.give(length);
          return bytes;
        },
      };
    this.#file ??= createScratch(this.#folder);
    const { handle } = await this.#file;
    // What everybody has taken is written over.
    if (this.#waiting === 0) this.#end = 0;
    const position = this.#end;
    this.#end += length;
    this.#waiting++;
    for (let done = 0; done < length; )
      done += (await handle.write(bytes, done, length - done, position + done)).bytesWritten;
    (bytes.buffer as ArrayBuffer).transfer(0);
    return {
      take: async () => {
        const back = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle.read(back, done, length - done, position + done);
          if (bytesRead === 0) throw new Error('a shelf lost what was put there');
          done += bytesRead;
        }
        this.#waiting--;
        return back;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = await this.#file?.catch(() => undefined);
    if (!file) return;
    await file.handle.close();
    await rm(file.path, { force: true });
  }
}
