import { type ColumnValues, type PlainStrings, stringsOf } from '../formats/index.ts';

/** Columns of a row group of a harvested shard, by name. */
export type ColumnsByName<N extends string = string> = { readonly [K in N]: ColumnValues };

/** How a member of the object is written; each comes from the column of that name. */
type Kind = 'string' | 'int32' | 'float' | 'double';

/** img2dataset's names where it has one, then ours, each with the column that it comes from. */
const MEMBERS = [
  ['url', 'url', 'string'],
  ['caption', 'text', 'string'],
  ['status', undefined, '"success"'],
  ['width', 'stored_width', 'int32'],
  ['height', 'stored_height', 'int32'],
  ['original_width', 'width', 'int32'],
  ['original_height', 'height', 'int32'],
  ['sha256', 'sha256', 'string'],
  ['sample_id', undefined, 'id'],
  ['license', 'license', 'string'],
  ['nsfw', 'nsfw', 'string'],
  ['similarity', 'similarity', 'double'],
  ['language', 'language', 'string'],
  ['language_confidence', 'language_confidence', 'float'],
  ['page_url', 'page_url', 'string'],
  ['phash', 'phash', 'string'],
  ['format', 'format', 'string'],
  ['uid', 'uid', 'string'],
  ['wat', 'wat', 'string'],
  ['harvested_at', 'harvested_at', 'string'],
  ['tags', 'tags', 'string'],
] as const;

/** Columns that `SampleJson` reads. */
export type SampleColumn = NonNullable<(typeof MEMBERS)[number][1]>;

/** The most bytes that one byte of UTF-8 becomes: a control character, as \u001f. */
const ESCAPED = 6;
/** More than a number takes, or a name with its colon. */
const SHORT = 40;
/** 1 for bytes that JSON does not take as they are within a string: RFC 8259, 7. */
const ESCAPES = Uint8Array.from({ length: 256 }, (_, c) => (c < 0x20 || c === 0x22 || c === 0x5c ? 1 : 0));

interface Strings {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly indices: Uint32Array | undefined;
}

type Part =
  | { readonly kind: 'string'; readonly name: Uint8Array; readonly column: SampleColumn }
  | { readonly kind: 'number'; readonly name: Uint8Array; readonly column: SampleColumn; readonly of: Kind }
  | { readonly kind: 'fixed'; readonly name: Uint8Array }
  | { readonly kind: 'id'; readonly name: Uint8Array };

const PARTS: readonly Part[] = MEMBERS.map(([member, column, kind]) => {
  const name = Buffer.from(`,"${member}":`);
  if (kind === 'id') return { kind, name };
  if (column === undefined) return { kind: 'fixed', name: Buffer.concat([name, Buffer.from(kind)]) };
  return kind === 'string' ? { kind, name, column } : { kind: 'number', name, column, of: kind };
});

/**
 * Writes the key.json beside an image in its tar: what JSON.stringify would make of the row, byte for byte, without making
 * the row. A string is copied as the UTF-8 that it is, and looked at for what JSON escapes.
 */
export class SampleJson {
  #out = Buffer.allocUnsafeSlow(1 << 12);
  #at = 0;
  #sources: readonly (Strings | DataView | undefined)[] = [];

  /** @param columns of the rows that follow */
  use(columns: ColumnsByName<SampleColumn>): void {
    this.#sources = PARTS.map((part) => {
      if (part.kind === 'string') return stringColumn(columns[part.column]);
      return part.kind === 'number' ? numberColumn(columns[part.column]) : undefined;
    });
  }

  /**
   * @param row of the columns
   * @param key its name in the tar, in ASCII without anything that JSON escapes
   * @returns good until the next is written
   */
  write(row: number, sampleId: number, key: string): Uint8Array {
    this.#at = 0;
    this.#ascii(`{"key":"${key}"`);
    for (let p = 0; p < PARTS.length; p++) {
      const part = PARTS[p];
      const source = this.#sources[p];
      if (!part) continue;
      this.#reserve(part.name.length);
      this.#out.set(part.name, this.#at);
      this.#at += part.name.length;
      if (part.kind === 'id') this.#ascii(String(sampleId));
      else if (part.kind === 'number' && source instanceof DataView)
        this.#ascii(numberText(source, row, part.of));
      else if (part.kind === 'string' && source && !(source instanceof DataView)) this.#string(source, row);
    }
    this.#ascii('}');
    return this.#out.subarray(0, this.#at);
  }

  #string({ bytes, offsets, indices }: Strings, row: number): void {
    const entry = indices ? (indices[row] ?? 0) : row;
    const end = offsets[entry + 1] ?? 0;
    let from = (offsets[entry] ?? 0) + 4;
    this.#reserve(ESCAPED * (end - from) + 2);
    const out = this.#out;
    let at = this.#at;
    out[at++] = 0x22;
    for (; from < end; from++) {
      const c = bytes[from] ?? 0;
      if (ESCAPES[c]) at += out.write(JSON.stringify(String.fromCharCode(c)).slice(1, -1), at, 'latin1');
      else out[at++] = c;
    }
    out[at++] = 0x22;
    this.#at = at;
  }

  #ascii(text: string): void {
    this.#reserve(Math.max(SHORT, text.length));
    const out = this.#out;
    for (let i = 0; i < text.length; i++) out[this.#at++] = text.charCodeAt(i);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const grown = Buffer.allocUnsafeSlow(2 * (this.#at + bytes));
    grown.set(this.#out.subarray(0, this.#at));
    this.#out = grown;
  }
}

function stringColumn(values: ColumnValues): Strings {
  const { strings, indices }: { strings: PlainStrings; indices?: Uint32Array } = stringsOf(values);
  return { bytes: strings.bytes, offsets: strings.offsets, indices };
}

function numberColumn(values: ColumnValues): DataView {
  if (values.kind !== 'fixed') throw new Error(`numbers were expected, not ${values.kind} values`);
  const { buffer, byteOffset, length } = values.bytes;
  return new DataView(buffer, byteOffset, length);
}

function numberText(view: DataView, row: number, kind: Kind): string {
  switch (kind) {
    case 'int32':
      return String(view.getInt32(4 * row, true));
    case 'float':
      return jsonNumber(view.getFloat32(4 * row, true));
    default:
      return jsonNumber(view.getFloat64(8 * row, true));
  }
}

/** JSON has no word for what is no number. */
function jsonNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}
