import {
  type ColumnValues,
  countValues,
  freeColumn,
  parquetInfo,
  readParquetColumns,
  readParquetNumbers,
  stringBytes,
  stringsEqual,
} from '../../formats/index.ts';
import { type Storage, streamSource } from '../../storage/index.ts';

/** A row group, of which columns are read one at a time, each when it is asked for. */
export interface ColumnGroup {
  /** Number of the file among those that are read. */
  readonly file: number;
  /** Number of the first row, over all files. */
  readonly rowStart: number;
  readonly rows: number;
  /** A column of strings. Call `done` when it has been counted: its memory is given back. */
  strings(column: string): Promise<StringColumn>;
  /** A column of numbers; NaN where there is none. */
  numbers(column: string): Promise<Float64Array>;
}

/** Parquet files below a folder in the order of their names, which are padded. */
export async function parquetFiles(storage: Storage, folder: string): Promise<readonly string[]> {
  return (await storage.list(folder)).filter((path) => path.endsWith('.parquet'));
}

/** The row groups of files, one after the other. @throws GleanerError DAMAGED */
export async function* columnGroups(
  storage: Storage,
  files: readonly string[],
): AsyncGenerator<ColumnGroup, void, undefined> {
  let before = 0;
  for (const [file, path] of files.entries()) {
    const rowStart = before;
    yield* streamSource(storage, path, async function* (source) {
      const info = await parquetInfo(source, path);
      const options = { name: path, info };
      before += info.rows;
      for (const [number, group] of info.rowGroups.entries())
        yield {
          file,
          rowStart: rowStart + group.rowStart,
          rows: group.rows,
          async strings(name: string) {
            const column = { name, type: 'string' } as const;
            for await (const values of readParquetColumns(source, [column], number, options))
              return new StringColumn(values);
            throw new Error(`column ${name} was not read`);
          },
          numbers: (column: string) => readParquetNumbers(source, column, number, options),
        };
    });
  }
}

/** Strings of a row group as the file has them: made into JavaScript strings only where somebody looks at them. */
export class StringColumn {
  readonly #values: ColumnValues;

  constructor(values: ColumnValues) {
    this.#values = values;
  }

  get rows(): number {
    return countValues(this.#values);
  }

  /** UTF-8 of a row, good until `done`. */
  bytes(row: number): Uint8Array {
    return stringBytes(this.#values, row) ?? new Uint8Array();
  }

  text(row: number): string {
    return textOf(this.bytes(row));
  }

  /** The different values, and which of them each row has: for columns of few values. */
  codes(): { readonly values: readonly string[]; readonly codes: Uint32Array } {
    const column = this.#values;
    const values: string[] = [];
    const known = new Map<string, number>();
    const learn = (text: string) => {
      let code = known.get(text);
      if (code === undefined) {
        code = values.push(text) - 1;
        known.set(text, code);
      }
      return code;
    };
    const codes = new Uint32Array(this.rows);
    if (column.kind === 'dictionary') {
      // A dictionary may name a value twice, and values that no row has.
      const entries = new Int32Array(countValues(column.dictionary)).fill(-1);
      for (let row = 0; row < codes.length; row++) {
        const entry = column.indices[row] ?? 0;
        let code = entries[entry] ?? -1;
        if (code < 0) {
          code = learn(textOf(stringBytes(column.dictionary, entry) ?? new Uint8Array()));
          entries[entry] = code;
        }
        codes[row] = code;
      }
    } else {
      // Rows often have the value of the row before: comparing bytes costs a tenth of making a string.
      const equal = stringsEqual(column);
      for (let row = 0; row < codes.length; row++)
        codes[row] = row > 0 && equal(row, row - 1) ? (codes[row - 1] ?? 0) : learn(this.text(row));
    }
    return { values, codes };
  }

  done(): void {
    freeColumn(this.#values);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}
