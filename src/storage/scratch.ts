import { RecordFile } from './record-file.ts';
import { RecordSorter } from './record-sorter.ts';

/** A folder for what lies on disk for a while, and how much memory each sorter may have. */
export class Scratch {
  readonly #folder: string;
  readonly #memoryBytes: number | undefined;

  /**
   * @param folder made where it is not there
   * @param memoryBytes of each sorter. @default 64 MiB
   */
  constructor(folder: string, memoryBytes?: number) {
    this.#folder = folder;
    this.#memoryBytes = memoryBytes;
  }

  /** @param words a record */
  file(words: number): RecordFile {
    return new RecordFile(this.#folder, words);
  }

  /**
   * @param words a record
   * @param keyWords of these the first so many are what is sorted by
   */
  sorter(words: number, keyWords: number): RecordSorter {
    const memory = this.#memoryBytes === undefined ? {} : { memoryBytes: this.#memoryBytes };
    return new RecordSorter(this.#folder, { words, keyWords, ...memory });
  }
}
