import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { fileStorage, type OpenSource } from '../storage/index.ts';
import { type KnnFields, NUMBER_FIELDS, TEXT_FIELDS, type TextField } from './fields.ts';
import { RowSet } from './row-set.ts';

/*
 * The file: uint32 length of what follows, then a header in JSON (places and the texts of each field), then the columns
 * one after the other: the set of ids as words, width, height, similarity, and a number a text field. Little-endian.
 */
const FILE = 'columns.bin';
const headerSchema = z.strictObject({
  version: z.literal(1),
  places: z.int().min(0),
  /** Text i has number i + 1; 0 stands where there is no row. */
  texts: z.record(z.enum(TEXT_FIELDS), z.array(z.string())),
});
/** Bytes that are read at once. */
const READ_BYTES = 16 << 20;
/** One less is the greatest number of a text of NSFW class or language. */
const MAX_SHORT = 2 ** 16;

type Column =
  | Int32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBufferLike>;

/** Makes the columns of so many places: 28 bytes each, and a bit. */
function columnsOf(places: number) {
  return {
    width: new Int32Array(places),
    height: new Int32Array(places),
    similarity: new Float64Array(places),
    nsfw: new Uint16Array(places),
    language: new Uint16Array(places),
    license: new Uint32Array(places),
    host: new Uint32Array(places),
  };
}
type Columns = ReturnType<typeof columnsOf>;

/** The fields of rows by id, as typed arrays; texts as numbers into a list of those that occur. */
export class FieldColumns {
  readonly #path: string;
  /** Ids are below this. */
  #places = 0;
  #present = new RowSet(0);
  #columns = columnsOf(0);
  readonly #texts: Record<TextField, Texts> = {
    nsfw: new Texts(),
    language: new Texts(),
    license: new Texts(),
    host: new Texts(),
  };

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws GleanerError DAMAGED */
  static async read(path: string): Promise<FieldColumns> {
    const columns = new FieldColumns(path);
    try {
      const source = await fileStorage(path).open(FILE);
      try {
        await columns.#read(source);
      } finally {
        await source.close();
      }
    } catch (cause) {
      const problem = 'holds no columns to filter by. Make them again with gleaner index.';
      throw new GleanerError('DAMAGED', { path, problem }, { cause });
    }
    return columns;
  }

  get places(): number {
    return this.#places;
  }

  /** The ids that there are. */
  get present(): RowSet {
    return this.#present;
  }

  /** One number a place; 0 where there is no row. */
  get width(): Int32Array {
    return this.#columns.width;
  }
  get height(): Int32Array {
    return this.#columns.height;
  }
  get similarity(): Float64Array {
    return this.#columns.similarity;
  }

  /** The number of each row's text, and the texts by number; 0 stands where there is no row. */
  texts(field: TextField): { readonly numbers: Uint16Array | Uint32Array; readonly list: Texts } {
    return { numbers: this.#columns[field], list: this.#texts[field] };
  }

  set(id: number, fields: KnnFields): void {
    this.#reserve(id + 1);
    this.#present.add(id);
    for (const name of NUMBER_FIELDS) this.#columns[name][id] = fields[name];
    for (const name of TEXT_FIELDS) {
      const number = this.#texts[name].numberOf(fields[name]);
      if (number >= MAX_SHORT && this.#columns[name].BYTES_PER_ELEMENT === 2)
        throw new RangeError(`there are more than ${MAX_SHORT - 1} values of ${name}`);
      this.#columns[name][id] = number;
    }
  }

  /** Puts zeros in the place of a row. @returns whether there was one */
  clear(id: number): boolean {
    if (!this.#present.delete(id)) return false;
    for (const column of Object.values<Column>(this.#columns)) column[id] = 0;
    return true;
  }

  /** The file anew, and whole in its place at once. No text is in it that no row has. */
  async write(): Promise<void> {
    for (const name of TEXT_FIELDS) this.#texts[name].compact(this.#columns[name]);
    const texts = Object.fromEntries(TEXT_FIELDS.map((name) => [name, this.#texts[name].all]));
    const header = Buffer.from(JSON.stringify({ version: 1, places: this.#places, texts }));
    const file = await fileStorage(this.#path).create(FILE);
    try {
      await file.write(bytesOf(Uint32Array.of(header.length)));
      await file.write(header);
      for (const column of this.#all()) await file.write(bytesOf(column));
      await file.commit();
    } catch (error) {
      await file.abort();
      throw error;
    }
  }

  async #read(source: OpenSource): Promise<void> {
    const [length = 0] = new Uint32Array(await source.slice(0, 4));
    const json = Buffer.from(await source.slice(4, 4 + length)).toString();
    const { places, texts } = headerSchema.parse(JSON.parse(json));
    this.#places = places;
    this.#present = new RowSet(places);
    this.#columns = columnsOf(places);
    for (const name of TEXT_FIELDS) for (const text of texts[name]) this.#texts[name].numberOf(text);
    let at = 4 + length;
    for (const column of this.#all()) {
      const bytes = bytesOf(column);
      for (let done = 0; done < bytes.length; done += READ_BYTES) {
        const end = Math.min(done + READ_BYTES, bytes.length);
        bytes.set(new Uint8Array(await source.slice(at + done, at + end)), done);
      }
      at += bytes.length;
    }
    if (at !== source.byteLength) throw new Error(`it has ${source.byteLength} bytes, not ${at}`);
    for (const name of TEXT_FIELDS)
      for (const number of this.#columns[name])
        if (number > texts[name].length) throw new Error(`there is no text ${number} of ${name}`);
  }

  /** What the file holds, in its order. */
  #all(): readonly Column[] {
    const columns = Object.values<Column>(this.#columns).map((column) => column.subarray(0, this.#places));
    return [this.#present.words.subarray(0, Math.ceil(this.#places / 32)), ...columns];
  }

  #reserve(places: number): void {
    if (places <= this.#places) return;
    this.#places = places;
    if (places <= this.#present.places) return;
    const capacity = Math.max(places, 1024, Math.ceil(this.#present.places * 1.5));
    const [present, columns] = [new RowSet(capacity), columnsOf(capacity)];
    present.words.set(this.#present.words);
    for (const name of Object.keys(columns) as (keyof Columns)[]) columns[name].set(this.#columns[name]);
    this.#present = present;
    this.#columns = columns;
  }
}

/** Different texts and their numbers, from 1 up. */
class Texts {
  #all: string[] = [];
  #numbers = new Map<string, number>();

  /** In the order of their numbers. */
  get all(): readonly string[] {
    return this.#all;
  }

  /** The number of a text, which gets one where it has none. */
  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#all.push(text);
    this.#numbers.set(text, this.#all.length);
    return this.#all.length;
  }

  /** The number of a text, or undefined. */
  find(text: string): number | undefined {
    return this.#numbers.get(text);
  }

  /** Forgets texts that no row has, and numbers the others anew. */
  compact(numbers: Uint16Array | Uint32Array): void {
    const used = new Uint8Array(this.#all.length + 1);
    for (const number of numbers) used[number] = 1;
    const kept = this.#all.filter((_, i) => used[i + 1] === 1);
    if (kept.length === this.#all.length) return;
    const before = this.#all;
    this.#all = [];
    this.#numbers = new Map();
    const renamed = Uint32Array.from([
      0,
      ...before.map((text, i) => (used[i + 1] ? this.numberOf(text) : 0)),
    ]);
    for (let id = 0; id < numbers.length; id++) numbers[id] = renamed[numbers[id] ?? 0] ?? 0;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Column): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
