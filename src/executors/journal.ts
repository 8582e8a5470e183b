import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** An image that is being worked on. */
export interface JournalEntry {
  readonly shard: number;
  readonly row: number;
  /** When it was begun, by the clock of whoever began it. */
  readonly began: number;
}

/** Two numbers of 32 bits: shard + 1 (0 where the place is free) and row. */
const ENTRY_BYTES = 8;

/**
 * What a process works on, in a file that outlives it: if it dies, by a crash of a decoder or for want of memory, the
 * images that it had in work are known. Written without waiting for the disk: the system keeps it, not the process.
 */
export class Journal {
  readonly #file: number;
  readonly #free: number[] = [];
  readonly #entries = new Map<number, JournalEntry>();
  readonly #buffer = Buffer.alloc(ENTRY_BYTES);

  /** @param path of a new file, or one that is written anew */
  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  /** @returns ends the entry; to be called once */
  begin(shard: number, row: number, began: number): () => void {
    const place = this.#free.pop() ?? this.#entries.size;
    this.#entries.set(place, { shard, row, began });
    this.#write(place, shard + 1, row);
    return () => {
      this.#write(place, 0, 0);
      this.#entries.delete(place);
      this.#free.push(place);
    };
  }

  /** What is in work now. */
  entries(): Iterable<JournalEntry> {
    return this.#entries.values();
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(place: number, shard: number, row: number): void {
    this.#buffer.writeUInt32LE(shard, 0);
    this.#buffer.writeUInt32LE(row, 4);
    writeSync(this.#file, this.#buffer, 0, ENTRY_BYTES, place * ENTRY_BYTES);
  }
}

/** What the process had in work that wrote a journal; nothing where it had not come to write one. */
export function readJournal(path: string): Pick<JournalEntry, 'shard' | 'row'>[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return [];
  }
  const entries: Pick<JournalEntry, 'shard' | 'row'>[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const shard = bytes.readUInt32LE(at);
    if (shard > 0) entries.push({ shard: shard - 1, row: bytes.readUInt32LE(at + 4) });
  }
  return entries;
}
