import type { ByteSink } from '../storage/index.ts';

/** Everything in a tar is padded to blocks of this size. POSIX.1-2017, pax, "ustar Interchange Format". */
export const BLOCK = 512;
/** Archives end with two zero blocks and are padded to this size, as tar(1) and Python's tarfile do. */
const RECORD = 20 * BLOCK;

/** Members are put together into pieces of this size before they go to the sink: a call for each part of each costs more. */
const PIECE = 1 << 20;

/** Where a member's bytes lie in the tar. */
export interface TarMember {
  readonly name: string;
  /** Of the first byte of the content. */
  readonly offset: number;
  /** Bytes of the content. */
  readonly length: number;
}

export interface TarWriter {
  /** Adds a file. Names are UTF-8, with '/' between folders. */
  add(name: string, bytes: Uint8Array): Promise<TarMember>;
  /** Writes the end of the archive. The sink stays open: it is its owner's. */
  finish(): Promise<void>;
}

/**
 * Writes a USTAR archive; a name that does not fit is given in a pax header before the member. Time, owner and mode
 * are fixed, so that the same members give the same bytes.
 */
export function createTarWriter(sink: ByteSink): TarWriter {
  let position = 0;
  const piece = Buffer.allocUnsafeSlow(PIECE);
  let filled = 0;
  async function flush(): Promise<void> {
    if (filled > 0) await sink.write(piece.subarray(0, filled));
    filled = 0;
  }
  async function write(bytes: Uint8Array): Promise<void> {
    position += bytes.length;
    if (filled + bytes.length > PIECE) await flush();
    if (bytes.length >= PIECE) return sink.write(bytes);
    piece.set(bytes, filled);
    filled += bytes.length;
  }
  async function writeMember(head: MemberHead, bytes: Uint8Array): Promise<void> {
    const size = BLOCK + Math.ceil(bytes.length / BLOCK) * BLOCK;
    if (filled + size > PIECE) await flush();
    if (size > PIECE) {
      const header = Buffer.allocUnsafe(BLOCK);
      writeHeader(header, head, bytes.length);
      await write(header);
      await write(bytes);
      await write(ZEROS.subarray(0, size - BLOCK - bytes.length));
      return;
    }
    // Most members, in one go: what is called for each of its parts costs as much as a small image.
    const at = filled + BLOCK;
    writeHeader(piece.subarray(filled, at), head, bytes.length);
    piece.set(bytes, at);
    piece.fill(0, at + bytes.length, filled + size);
    filled += size;
    position += size;
  }
  return {
    async add(name, bytes) {
      const encoded = Buffer.from(name);
      if (name === '' || encoded.includes(0))
        throw new RangeError(`${JSON.stringify(name)} is no name for a member`);
      const place = splitName(encoded);
      if (place === undefined || encoded.some((b) => b > 0x7f)) {
        const pax = paxRecord('path', name);
        await writeMember({ name: encoder.encode('pax/header'), type: 'x' }, pax);
      }
      await writeMember({ ...(place ?? { name: encoded.subarray(0, 100) }), type: '0' }, bytes);
      const padded = Math.ceil(bytes.length / BLOCK) * BLOCK;
      return { name, offset: position - padded, length: bytes.length };
    },
    async finish() {
      const end = 2 * BLOCK;
      await write(new Uint8Array(end + ((RECORD - ((position + end) % RECORD)) % RECORD)));
      await flush();
    },
  };
}

const encoder = new TextEncoder();
const ZEROS = new Uint8Array(BLOCK);

interface UstarName {
  /** At most 100 bytes. */
  readonly name: Uint8Array;
  /** At most 155 bytes; a '/' between it and the name is implied. */
  readonly prefix?: Uint8Array;
}

/** Fits a path into the fields of USTAR; undefined where it does not. */
function splitName(path: Uint8Array): UstarName | undefined {
  if (path.length <= 100) return { name: path };
  const slash = path.indexOf(0x2f, path.length - 101);
  if (slash <= 0 || slash > 155 || slash === path.length - 1) return undefined;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}

interface MemberHead extends UstarName {
  readonly type: '0' | 'x';
}

/** @param block of 512 bytes, whatever they are */
function writeHeader(block: Buffer, { name, prefix, type }: MemberHead, size: number): void {
  // 11 octal digits; no file of ours comes near 8 GiB.
  if (size >= 8 ** 11) throw new RangeError(`a member of ${size} bytes does not fit into a tar`);
  BLANK.copy(block);
  block.set(name, 0);
  const sum = BLANK_SUM + sumOf(name) + writeOctal(block, size, 124, 11) + type.charCodeAt(0);
  block[156] = type.charCodeAt(0);
  if (prefix) block.set(prefix, 345);
  writeOctal(block, prefix ? sum + sumOf(prefix) : sum, 148, 6);
  block[154] = 0;
}

/** Writes a number in so many digits. @returns the sum of their bytes */
function writeOctal(block: Buffer, value: number, at: number, digits: number): number {
  let sum = 0;
  let left = value;
  for (let d = at + digits - 1; d >= at; d--) {
    const digit = 0x30 + (left % 8);
    block[d] = digit;
    sum += digit;
    left = Math.floor(left / 8);
  }
  return sum;
}

/** What all headers have: mode, owner, time (1970), magic; the checksum counts itself as blanks. */
const BLANK = Buffer.alloc(BLOCK);
for (const [at, value] of [
  [100, '0000644'],
  [108, '0000000'], // uid
  [116, '0000000'], // gid
  [136, '00000000000'], // mtime
  [148, '        '],
  [257, 'ustar\x0000'],
] as const)
  BLANK.write(value, at, 'latin1');
/** Names, size and type add to it. */
const BLANK_SUM = sumOf(BLANK);

/** The sum of bytes; of a header, whose checksum field is taken as it is, the checksum. */
export function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i] ?? 0;
  return sum;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return encoder.encode(`${length} ${key}=${value}\n`);
}
