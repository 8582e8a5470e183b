import { hash } from 'node:crypto';
import {
  type Column,
  freeColumn,
  parquetInfo,
  readParquetColumns,
  stringBytes,
} from '../../formats/index.ts';
import { HashIndex } from '../../image/hash-index.ts';
import { RowSet } from '../../knn/row-set.ts';
import { GleanerError } from '../../schema/index.ts';
import { type RecordSorter, Scratch, type Storage, withSource } from '../../storage/index.ts';
import { UnionFind } from './union-find.ts';

/** What joins rows into a group. */
const JOINS = ['url', 'bytes', 'caption', 'picture'] as const;
export type Join = (typeof JOINS)[number];

/** Rows in groups: of two groups no two rows are alike. */
export interface RowGroups {
  /** Of each row the number of its group: groups are numbered in the order of their first rows. */
  readonly groupOf: Uint32Array;
  /** Rows of each group. */
  readonly sizes: Uint32Array;
  /** Rows that are like another by each of these. */
  readonly joined: Readonly<Record<Join, number>>;
}

export interface GroupOptions {
  /** Bits that perceptual hashes may differ in, 0 to 11. */
  readonly distance: number;
  /** Folder of this machine for what is sorted: 20 bytes a row, three times. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Called with the rows gone over since the last call. */
  readonly progress: (rows: number) => void;
}

/** What rows are the same by, and the column of it. */
const EXACT = [
  ['url', 'URL', (value: Uint8Array) => value],
  ['bytes', 'sha256', (value: Uint8Array) => value],
  ['caption', 'TEXT', (value: Uint8Array) => normalCaption(Buffer.from(value).toString())],
] as const;
const COLUMNS = [
  { name: 'URL', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'phash', type: 'string' },
] as const satisfies readonly Column[];

/** Words of a hash that are compared: 128 bits, so that two that differ do not meet by chance. */
const KEY_WORDS = 4;
/** Of each of three sorters; as much again while it sorts. */
const SORTER_BYTES = 32 << 20;

/** A caption as it is compared: NFKC, lower case, white space as one blank. */
export function normalCaption(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}

/**
 * Joins rows of a release, over any number of steps: the same URL, the same bytes, the same caption, perceptual hashes of which
 * no more than `distance` bits differ. What a row does not have (an empty string) joins it to none.
 *
 * Memory: 29 bytes a row (4 of them for its group, 24 for its hash), a row group of the metadata, and some 350 MB.
 * @param paths metadata files of the release, in its order
 * @throws GleanerError DAMAGED
 */
export async function groupRows(
  storage: Storage,
  paths: readonly string[],
  options: GroupOptions,
): Promise<RowGroups> {
  const rows = await countRows(storage, paths);
  const sets = new UnionFind(rows);
  const scratch = new Scratch(options.scratch, SORTER_BYTES);
  const joined: Record<Join, number> = { url: 0, bytes: 0, caption: 0, picture: 0 };
  const sorters = EXACT.map(() => scratch.sorter(KEY_WORDS + 1, KEY_WORDS + 1));
  try {
    const pictures = new Pictures(rows, options.distance, sets);
    await readKeys(storage, paths, options, sorters, pictures);
    joined.picture = pictures.joined;
    for (const [i, [name]] of EXACT.entries()) {
      const sorter = sorters[i];
      if (sorter) joined[name] = await joinEqual(sorter, sets, options.signal);
    }
  } finally {
    for (const sorter of sorters) await sorter[Symbol.asyncDispose]();
  }
  return { ...numbered(sets, rows), joined };
}

async function countRows(storage: Storage, paths: readonly string[]): Promise<number> {
  let rows = 0;
  for (const path of paths)
    rows += await withSource(storage, path, async (source) => (await parquetInfo(source, path)).rows);
  return rows;
}

async function readKeys(
  storage: Storage,
  paths: readonly string[],
  { signal, progress }: GroupOptions,
  sorters: readonly RecordSorter[],
  pictures: Pictures,
): Promise<void> {
  let firstRow = 0;
  for (const path of paths)
    await withSource(storage, path, async (source) => {
      const info = await parquetInfo(source, path);
      for (const [group, { rows }] of info.rowGroups.entries()) {
        signal.throwIfAborted();
        let column = 0;
        for await (const values of readParquetColumns(source, COLUMNS, group, { name: path, info })) {
          const exact = EXACT[column];
          const sorter = sorters[column++];
          const textOf = (row: number) => stringBytes(values, row) ?? new Uint8Array();
          if (exact && sorter) await sorter.add(keysOf(rows, firstRow, (row) => exact[2](textOf(row))));
          else
            for (let row = 0; row < rows; row++)
              if (!pictures.add(firstRow + row, textOf(row)))
                throw new GleanerError('DAMAGED', {
                  path: `${storage.location}/${path}`,
                  problem: `column 'phash' of row ${row} is no hash of 16 hexadecimal digits.`,
                });
          freeColumn(values);
        }
        firstRow += rows;
        progress(rows);
      }
    });
}

/** A record a row that has something: the first words of its SHA-256, and the row. */
function keysOf(rows: number, firstRow: number, textOf: (row: number) => Uint8Array | string): Uint32Array {
  const records = new Uint32Array(rows * (KEY_WORDS + 1));
  let to = 0;
  for (let row = 0; row < rows; row++) {
    const value = textOf(row);
    if (value.length === 0) continue;
    const digest = hash('sha256', value, 'buffer');
    for (let word = 0; word < KEY_WORDS; word++) records[to++] = digest.readUInt32LE(4 * word);
    records[to++] = firstRow + row;
  }
  return records.subarray(0, to);
}

/** Joins rows with equal keys. @returns rows that have another's */
async function joinEqual(sorter: RecordSorter, sets: UnionFind, signal: AbortSignal): Promise<number> {
  const last = new Uint32Array(KEY_WORDS + 1);
  let any = false;
  let run = 1;
  let joined = 0;
  for await (const block of sorter.sorted()) {
    signal.throwIfAborted();
    for (let at = 0; at < block.length; at += KEY_WORDS + 1) {
      let same = any;
      for (let word = 0; word < KEY_WORDS && same; word++) same = block[at + word] === last[word];
      run = same ? run + 1 : 1;
      if (same) sets.join(last[KEY_WORDS] ?? 0, block[at + KEY_WORDS] ?? 0);
      // The second of them brings the first along.
      if (run > 1) joined += run === 2 ? 2 : 1;
      last.set(block.subarray(at, at + KEY_WORDS + 1));
      any = true;
    }
  }
  return joined;
}

/** Joins rows by their perceptual hashes, as they come. */
class Pictures {
  readonly #sets: UnionFind;
  readonly #index: HashIndex;
  /** Of each hash the first row that has it. */
  readonly #rows: Uint32Array;
  readonly #alike: RowSet;

  constructor(rows: number, distance: number, sets: UnionFind) {
    this.#sets = sets;
    this.#index = new HashIndex(distance, rows);
    this.#rows = new Uint32Array(rows);
    this.#alike = new RowSet(rows);
  }

  /** Rows that are like another. */
  get joined(): number {
    return this.#alike.count;
  }

  /** @param digits 16 hexadecimal ones, or none. @returns whether they are */
  add(row: number, digits: Uint8Array): boolean {
    if (digits.length === 0) return true;
    const text = Buffer.from(digits).toString('latin1');
    if (!/^[0-9a-f]{16}$/.test(text)) return false;
    const [high, low] = [Number.parseInt(text.slice(0, 8), 16), Number.parseInt(text.slice(8), 16)];
    let known = false;
    this.#index.forNear(high, low, (at, distance) => {
      const other = this.#rows[at] ?? 0;
      this.#sets.join(other, row);
      this.#alike.add(other);
      this.#alike.add(row);
      known ||= distance === 0;
    });
    // Whoever comes later and is like it is like the one that it is equal to.
    if (!known) this.#rows[this.#index.add(high, low)] = row;
    return true;
  }
}

function numbered(sets: UnionFind, rows: number): Pick<RowGroups, 'groupOf' | 'sizes'> {
  const groupOf = new Uint32Array(rows);
  const sizes = new Uint32Array(rows);
  let groups = 0;
  for (let row = 0; row < rows; row++) {
    const first = sets.find(row);
    // The first row of a group comes before all others of it.
    const group = first === row ? groups++ : (groupOf[first] ?? 0);
    groupOf[row] = group;
    sizes[group] = (sizes[group] ?? 0) + 1;
  }
  return { groupOf, sizes: sizes.slice(0, groups) };
}
