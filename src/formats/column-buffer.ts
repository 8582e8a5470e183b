import { freeBytes } from './free-bytes.ts';
import {
  type ColumnValues,
  copyString,
  countValues,
  type DictionaryStrings,
  type FixedValues,
  type PlainStrings,
  plainStrings,
  stringBytes,
  stringsOf,
  viewOf,
} from './parquet-values.ts';

/** Dictionaries that are larger together are not kept: rows of a group would repeat little of them. */
const MAX_DICTIONARY = 4096;
/** What offsets of 32 bits reach. */
const MAX_BYTES = 2 ** 32 - 1;

/**
 * Memory for a column, which is used again for the next one. Its values are good until then.
 *
 * Why not new memory each time: V8 counts it, and each time that some 8 MB have been added it walks the whole heap. A
 * bucket of pairs is ten times that; those walks were a third of dedup's CPU time (docs/decisions.md).
 */
export class ColumnBuffer {
  #kind: 'plain' | 'dictionary' | 'fixed' | undefined;
  #rows = 0;
  /** Strings, or numbers. */
  #bytes: Uint8Array = new Uint8Array();
  #size = 0;
  /** Offsets of strings, or indices of a dictionary. */
  #numbers = new Uint32Array(1);
  #width: FixedValues['width'] = 4;
  /** Entries of the dictionary with their numbers. */
  readonly #entries = new Map<string, number>();

  get rows(): number {
    return this.#rows;
  }

  /** What was put in. */
  values(): ColumnValues {
    switch (this.#kind) {
      case 'fixed':
        return { kind: 'fixed', width: this.#width, bytes: this.#bytes.subarray(0, this.#size) };
      case 'dictionary':
        return {
          kind: 'dictionary',
          dictionary: plainStrings([...this.#entries.keys()]),
          indices: this.#numbers.subarray(0, this.#rows),
        };
      default:
        return this.#plain();
    }
  }

  clear(): void {
    this.#kind = undefined;
    this.#rows = 0;
    this.#size = 0;
    this.#entries.clear();
    this.#numbers[0] = 0;
  }

  /**
   * Adds rows after those that are there. Strings keep a dictionary as long as all have one and it stays small.
   * @throws RangeError where strings are larger than 4 GiB together
   */
  append(values: ColumnValues): void {
    if (countValues(values) === 0) return;
    if (values.kind === 'fixed') this.#appendFixed(values);
    else if (values.kind !== 'dictionary' || !this.#appendIndices(values)) this.#appendStrings(values);
  }

  /**
   * Holds the rows of a column in another order, in place of what was there.
   *
   * The column is walked from its first row to its last and each value is written where it goes. The other way about,
   * fetching the value of each place, costs several times as much: how long a value is would be known only when it has
   * come from memory, and the processor would wait for each; nothing waits for a write.
   *
   * @param values of another buffer than this one
   * @param places for each row the place it goes to: a permutation of all rows
   */
  scatter(values: ColumnValues, places: Uint32Array): void {
    this.clear();
    this.#rows = places.length;
    if (values.kind === 'fixed') this.#scatterFixed(values, places);
    else if (values.kind === 'dictionary') this.#scatterIndices(values, places);
    else this.#scatterStrings(stringsOf(values).strings, places);
  }

  #plain(): PlainStrings {
    return {
      kind: 'plain',
      bytes: this.#bytes.subarray(0, this.#size),
      offsets: this.#numbers.subarray(0, this.#rows + 1),
    };
  }

  #become(kind: 'plain' | 'dictionary' | 'fixed'): void {
    if (this.#kind !== undefined && this.#kind !== kind)
      throw new Error(`a column of ${this.#kind} and ${kind} values`);
    this.#kind = kind;
  }

  #appendFixed({ width, bytes }: FixedValues): void {
    if (this.#kind === 'fixed' && this.#width !== width) throw new Error('numbers of unlike widths');
    this.#become('fixed');
    this.#width = width;
    this.#reserve(this.#size + bytes.length, 0);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
    this.#rows += bytes.length / width;
  }

  /** Enters texts into the dictionary. @returns the number of each */
  #enter(texts: readonly string[]): Uint32Array {
    return Uint32Array.from(texts, (text) => {
      const number = this.#entries.get(text) ?? this.#entries.size;
      this.#entries.set(text, number);
      return number;
    });
  }

  /** @returns whether the dictionary could be kept */
  #appendIndices({ dictionary, indices }: DictionaryStrings): boolean {
    const size = countValues(dictionary);
    if (this.#kind === 'plain' || size > MAX_DICTIONARY) return false;
    const texts = textsOf(dictionary);
    const added = new Set(texts.filter((text) => !this.#entries.has(text)));
    if (this.#entries.size + added.size > MAX_DICTIONARY) return false;
    this.#become('dictionary');
    const map = this.#enter(texts);
    this.#reserve(0, this.#rows + indices.length);
    for (let i = 0; i < indices.length; i++) this.#numbers[this.#rows + i] = map[indices[i] ?? 0] ?? 0;
    this.#rows += indices.length;
    return true;
  }

  #appendStrings(values: ColumnValues): void {
    if (this.#kind === 'dictionary') {
      // A dictionary that cannot be kept any longer: what is there is written out.
      const strings = plainStrings([...this.#entries.keys()]);
      const indices = this.#numbers.slice(0, this.#rows);
      this.clear();
      this.#appendPicked(strings, indices);
    }
    this.#become('plain');
    const { strings, indices } = stringsOf(values);
    if (indices) this.#appendPicked(strings, indices);
    else this.#appendPlain(strings);
  }

  #appendPlain({ bytes, offsets }: PlainStrings): void {
    const rows = offsets.length - 1;
    const [start = 0, end = 0] = [offsets[0], offsets[rows]];
    this.#reserve(this.#size + end - start, this.#rows + rows + 1);
    this.#bytes.set(bytes.subarray(start, end), this.#size);
    const move = this.#size - start;
    for (let i = 1; i <= rows; i++) this.#numbers[this.#rows + i] = (offsets[i] ?? 0) + move;
    this.#size += end - start;
    this.#rows += rows;
  }

  #appendPicked(strings: PlainStrings, indices: Uint32Array): void {
    let size = this.#size;
    for (const index of indices) size += (strings.offsets[index + 1] ?? 0) - (strings.offsets[index] ?? 0);
    this.#reserve(size, this.#rows + indices.length + 1);
    const [from, to] = [viewOf(strings), viewOf({ bytes: this.#bytes })];
    for (const index of indices) {
      const start = strings.offsets[index] ?? 0;
      const length = (strings.offsets[index + 1] ?? 0) - start;
      copyString(from, start, length, to, this.#size);
      this.#size += length;
      this.#numbers[++this.#rows] = this.#size;
    }
  }

  #scatterFixed({ width, bytes }: FixedValues, places: Uint32Array): void {
    this.#become('fixed');
    this.#width = width;
    this.#reserve(bytes.length, 0);
    this.#size = bytes.length;
    const into = this.#bytes;
    for (let row = 0; row < places.length; row++) {
      const to = (places[row] ?? 0) * width;
      for (let b = 0; b < width; b++) into[to + b] = bytes[row * width + b] ?? 0;
    }
  }

  #scatterIndices({ dictionary, indices }: DictionaryStrings, places: Uint32Array): void {
    this.#become('dictionary');
    const map = this.#enter(textsOf(dictionary));
    this.#reserve(0, places.length);
    const into = this.#numbers;
    for (let row = 0; row < places.length; row++) into[places[row] ?? 0] = map[indices[row] ?? 0] ?? 0;
  }

  #scatterStrings(strings: PlainStrings, places: Uint32Array): void {
    this.#become('plain');
    const { offsets } = strings;
    const size = (offsets[places.length] ?? 0) - (offsets[0] ?? 0);
    this.#reserve(size, places.length + 1);
    this.#size = size;
    const into = this.#numbers;
    for (let row = 0; row < places.length; row++)
      into[(places[row] ?? 0) + 1] = (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    for (let place = 1; place <= places.length; place++)
      into[place] = (into[place] ?? 0) + (into[place - 1] ?? 0);
    const [from, to] = [viewOf(strings), viewOf({ bytes: this.#bytes })];
    for (let row = 0; row < places.length; row++) {
      const start = offsets[row] ?? 0;
      copyString(from, start, (offsets[row + 1] ?? 0) - start, to, into[places[row] ?? 0] ?? 0);
    }
  }

  /** Makes room for so many bytes and numbers, with some to spare where it has to grow. */
  #reserve(bytes: number, numbers: number): void {
    if (bytes > MAX_BYTES) throw new RangeError('a column of more than 4 GiB of strings');
    if (bytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(MAX_BYTES, Math.ceil(1.5 * bytes)));
      grown.set(this.#bytes.subarray(0, this.#size));
      freeBytes(this.#bytes);
      this.#bytes = grown;
    }
    if (numbers > this.#numbers.length) {
      const grown = new Uint32Array(Math.ceil(1.5 * numbers));
      grown.set(this.#numbers.subarray(0, this.#rows + 1));
      freeBytes(this.#numbers);
      this.#numbers = grown;
    }
  }
}

function textsOf(dictionary: PlainStrings): string[] {
  return Array.from({ length: countValues(dictionary) }, (_, i) =>
    Buffer.from(stringBytes(dictionary, i) ?? []).toString(),
  );
}
