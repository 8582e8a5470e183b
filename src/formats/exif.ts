import { EXIF_TAGS, type ExifTags } from './exif-tags.ts';

/** Bytes of a value by the field's type (TIFF 6.0, section 2); 13 is an offset. */
const WIDTHS = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];
const ASCII = 2;
/** ExifRead leaves out the maker's note, XMP and the user's comment where no details are asked for, as img2dataset does. */
const LEFT_OUT = new Set([0x02bc, 0x927c, 0x9286]);
/** Fields with more values have none printed. As ExifRead. */
const MAX_VALUES = 1000;
/** All that is printed is not much longer than this, in characters: a directory can name the same text again and again. */
const MAX_CHARS = 1 << 16;
/** Directories of one file: those of real ones are five. */
const MAX_DIRECTORIES = 16;

/**
 * The EXIF tags of a JPEG or WebP file as ExifRead prints them: 'Image Make' → 'Canon', 'EXIF ExposureTime' → '1/60'.
 * Empty where there are none; what is damaged is left out.
 */
export function readExif(file: Uint8Array): ReadonlyMap<string, string> {
  const block = exifBlock(file);
  return block ? new ExifReader(block).read() : new Map();
}

/** The TIFF structure that holds the tags. */
function exifBlock(file: Uint8Array): DataView | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.byteLength > 12 && view.getUint16(0) === 0xffd8) return jpegExif(view);
  if (view.byteLength > 12 && view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250)
    return webpExif(view);
  return undefined;
}

/** The segment APP1 that begins with 'Exif', before the first scan. */
function jpegExif(view: DataView): DataView | undefined {
  for (let at = 2; at + 10 <= view.byteLength; ) {
    const marker = view.getUint16(at);
    const length = view.getUint16(at + 2);
    if (marker >>> 8 !== 0xff || marker === 0xffda || length < 2) return undefined;
    if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966 && view.getUint16(at + 8) === 0)
      return part(view, at + 10, length - 8);
    at += 2 + length;
  }
  return undefined;
}

function webpExif(view: DataView): DataView | undefined {
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const length = view.getUint32(at + 4, true);
    // Some writers put JPEG's 'Exif\0\0' before it.
    if (view.getUint32(at) === 0x45584946) {
      const marked = at + 12 <= view.byteLength && view.getUint32(at + 8) === 0x45786966 ? 6 : 0;
      return part(view, at + 8 + marked, length - marked);
    }
    at += 8 + length + (length % 2);
  }
  return undefined;
}

function part(view: DataView, start: number, length: number): DataView | undefined {
  const end = Math.min(start + length, view.byteLength);
  return end - start > 8 ? new DataView(view.buffer, view.byteOffset + start, end - start) : undefined;
}

class ExifReader {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #found = new Map<string, string>();
  readonly #seen = new Set<number>();
  #chars = 0;
  #exifOffset = 0;

  constructor(view: DataView) {
    this.#view = view;
    this.#little = view.getUint8(0) === 0x49;
  }

  read(): ReadonlyMap<string, string> {
    const names = ['Image', 'Thumbnail'];
    let offset = this.#uint32(4) ?? 0;
    for (let i = 0; offset > 0 && !this.#seen.has(offset) && i < MAX_DIRECTORIES; i++)
      offset = this.#directory(offset, names[i] ?? `IFD ${i}`, EXIF_TAGS);
    if (this.#exifOffset > 0) this.#directory(this.#exifOffset, 'EXIF', EXIF_TAGS);
    return this.#found;
  }

  /** @returns offset of the next directory, 0 where there is none */
  #directory(offset: number, name: string, tags: ExifTags): number {
    if (this.#seen.has(offset) || this.#seen.size >= MAX_DIRECTORIES) return 0;
    this.#seen.add(offset);
    const entries = this.#uint16(offset);
    if (entries === undefined) return 0;
    for (let i = 0; i < entries && this.#chars < MAX_CHARS; i++) this.#entry(offset + 2 + 12 * i, name, tags);
    return this.#uint32(offset + 2 + 12 * entries) ?? 0;
  }

  #entry(at: number, directory: string, tags: ExifTags): void {
    const [tag, type, count] = [this.#uint16(at), this.#uint16(at + 2), this.#uint32(at + 4)];
    if (tag === undefined || type === undefined || count === undefined || LEFT_OUT.has(tag)) return;
    const width = WIDTHS[type] ?? 0;
    if (width === 0) return;
    const from = count * width > 4 ? this.#uint32(at + 8) : at + 8;
    if (from === undefined || from + count * width > this.#view.byteLength) return;
    const values = type === ASCII ? [] : this.#values(from, type, width, count);
    const text = type === ASCII ? this.#text(from, count) : printed(values, count);
    const inner = tags.directories.get(tag);
    const [first] = values;
    if (inner && typeof first === 'number') this.#directory(first, inner.name, inner.tags);
    const name = `${directory} ${tags.names.get(tag) ?? `Tag 0x${tag.toString(16).toUpperCase().padStart(4, '0')}`}`;
    if (name === 'Image ExifOffset' && typeof first === 'number') this.#exifOffset = first;
    const meanings = tags.meanings.get(tag);
    const value = meanings
      ? values.map((number) => meanings.get(Number(number)) ?? String(number)).join('')
      : tags.texts.has(tag) && type !== ASCII
        ? printableText(values)
        : text;
    this.#found.set(name, value.trim());
    this.#chars += name.length + value.length;
  }

  #text(from: number, count: number): string {
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + from, count);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** Numbers, and what Python prints of fractions and floats. */
  #values(from: number, type: number, width: number, count: number): (number | string)[] {
    if (count >= MAX_VALUES) return [];
    return Array.from({ length: count }, (_, i) => this.#value(from + i * width, type));
  }

  #value(at: number, type: number): number | string {
    const [view, little] = [this.#view, this.#little];
    switch (type) {
      case 3:
        return view.getUint16(at, little);
      case 4:
      case 13:
        return view.getUint32(at, little);
      case 5:
        return fraction(view.getUint32(at, little), view.getUint32(at + 4, little));
      case 6:
        return view.getInt8(at);
      case 8:
        return view.getInt16(at, little);
      case 9:
        return view.getInt32(at, little);
      case 10:
        return fraction(view.getInt32(at, little), view.getInt32(at + 4, little));
      case 11:
        return tuple(view.getFloat32(at, little));
      case 12:
        return tuple(view.getFloat64(at, little));
      default:
        return view.getUint8(at);
    }
  }

  #uint16(at: number): number | undefined {
    return at + 2 <= this.#view.byteLength ? this.#view.getUint16(at, this.#little) : undefined;
  }

  #uint32(at: number): number | undefined {
    return at + 4 <= this.#view.byteLength ? this.#view.getUint32(at, this.#little) : undefined;
  }
}

/** As Python prints a list of them, of a long one the first twenty; one alone without brackets. */
function printed(values: readonly (number | string)[], count: number): string {
  if (count === 1) return String(values[0]);
  if (count > 50 && values.length > 20) return `[${values.slice(0, 20).join(', ')}, ... ]`;
  return `[${values.join(', ')}]`;
}

/** In lowest terms, the sign above; a denominator of 0 is left as it is. */
function fraction(numerator: number, denominator: number): string {
  if (denominator === 0) return `${numerator}/0`;
  let [a, b] = [Math.abs(numerator), Math.abs(denominator)];
  while (b > 0) [a, b] = [b, a % b];
  const sign = denominator < 0 ? -1 : 1;
  const [n, d] = [(sign * numerator) / (a || 1), Math.abs(denominator) / (a || 1)];
  return d === 1 ? String(n) : `${n}/${d}`;
}

/** Floats come from ExifRead as Python's tuples of one. */
function tuple(value: number): string {
  return `(${Number.isInteger(value) ? value.toFixed(1) : value},)`;
}

/** Latin-1 characters that can be printed; where there is none, the numbers, but not if all are 0. */
function printableText(values: readonly (number | string)[]): string {
  const text = values
    .filter((value) => typeof value === 'number' && value >= 32 && value < 256)
    .map((value) => String.fromCharCode(Number(value)))
    .join('');
  if (text !== '') return text.replace(/^[ \0]+|[ \0]+$/g, '');
  const numbers = values.join('');
  return /^0*$/.test(numbers) ? '' : numbers;
}
