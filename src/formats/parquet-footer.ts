import type { ByteSource } from '../storage/index.ts';

/** 'PAR1', little-endian: the last bytes of a file. */
const MAGIC = 0x31524150;
/** The end of a file is read in one piece of this many bytes, in which most footers are whole. */
const TAIL_BYTES = 1 << 16;
/** Field 4 of `FileMetaData` in parquet.thrift: the row groups. */
const ROW_GROUPS_FIELD = 4;
/** Lists of one struct and of none, as Thrift's compact protocol begins them. */
const LIST_OF_ONE_STRUCT = 0x1c;
const LIST_OF_NONE = 0x0c;

/**
 * Where the row groups stand in the footer of a file. A footer names every column of every row group; who reads one row
 * group after another of many files would parse all that each time. With this he reads only what is said of one.
 */
export interface FooterIndex {
  /** The footer as it stands before the list of row groups, and after it. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Where each row group is described, in bytes from the start of the file, and where the last description ends. */
  readonly starts: Float64Array;
}

/** Reads the footer of a file. @throws Error where it is damaged */
export async function indexFooter(source: ByteSource): Promise<FooterIndex> {
  const { byteLength } = source;
  const tail = new Uint8Array(await source.slice(Math.max(0, byteLength - TAIL_BYTES), byteLength));
  const view = new DataView(tail.buffer);
  if (tail.length < 8 || view.getUint32(tail.length - 4, true) !== MAGIC) throw new Error('no footer');
  const size = view.getUint32(tail.length - 8, true);
  const at = byteLength - 8 - size;
  if (at < 0) throw new Error('a footer larger than the file');
  const footer =
    size + 8 <= tail.length
      ? tail.subarray(tail.length - 8 - size, tail.length - 8)
      : new Uint8Array(await source.slice(at, byteLength - 8));
  const walker = new Walker(footer);
  for (let field = walker.field(0); field.type !== 0; field = walker.field(field.id)) {
    if (field.id !== ROW_GROUPS_FIELD) {
      walker.skip(field.type);
      continue;
    }
    const before = footer.slice(0, walker.at);
    const { size: groups, type } = walker.list();
    // Each takes a byte at least: a list that claims more than there are is not believed.
    const starts = new Float64Array(Math.min(groups, footer.length) + 1);
    for (let group = 0; group < groups; group++) {
      starts[group] = at + walker.at;
      walker.skip(type);
    }
    starts[groups] = at + walker.at;
    return { before, after: footer.slice(walker.at), starts };
  }
  throw new Error('a footer without row groups');
}

/** A footer as it would be if the file had that row group only, or none, with what stands after a footer. */
export function footerOf({ before, after }: FooterIndex, rowGroup?: Uint8Array): Uint8Array {
  const groups = rowGroup ? [Uint8Array.of(LIST_OF_ONE_STRUCT), rowGroup] : [Uint8Array.of(LIST_OF_NONE)];
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(MAGIC, 4);
  const footer = Buffer.concat([before, ...groups, after, trailer]);
  footer.writeUInt32LE(footer.length - 8, footer.length - 8);
  return footer;
}

/** Walks over values of Thrift's compact protocol (thrift-compact-protocol.md) without looking at them. */
class Walker {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new Error('a footer that is cut off');
    return byte;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** Head of a field that comes after the one with the number `last`; type 0 at the end of the struct. */
  field(last: number): { readonly type: number; readonly id: number } {
    const byte = this.#byte();
    if (byte >> 4 !== 0 || byte === 0) return { type: byte & 15, id: last + (byte >> 4) };
    const zigzag = this.#varint();
    return { type: byte & 15, id: zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2 };
  }

  list(): { readonly type: number; readonly size: number } {
    const byte = this.#byte();
    return { type: byte & 15, size: byte >> 4 === 15 ? this.#varint() : byte >> 4 };
  }

  /** @param inList booleans are bytes there; in a field they are in its head */
  skip(type: number, inList = false): void {
    switch (type) {
      case 1:
      case 2:
        if (inList) this.#byte();
        return;
      case 3:
        this.#byte();
        return;
      case 4:
      case 5:
      case 6:
        this.#varint();
        return;
      case 7:
        this.at += 8;
        return;
      case 8: {
        const length = this.#varint();
        this.at += length;
        return;
      }
      case 9:
      case 10: {
        const list = this.list();
        for (let i = 0; i < list.size; i++) this.skip(list.type, true);
        return;
      }
      case 12:
        for (let byte = this.#byte(); byte !== 0; byte = this.#byte()) {
          if (byte >> 4 === 0) this.#varint();
          this.skip(byte & 15);
        }
        return;
      default:
        throw new Error(`a footer with a value of type ${type}`);
    }
  }
}
