import { GleanerError } from '../schema/index.ts';
import type { ByteSink } from '../storage/index.ts';

/** Everything in a tar is padded to blocks of this size. POSIX.1-2017, pax, "ustar Interchange Format". */
const BLOCK = 512;
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
function sumOf(bytes: Uint8Array): number {
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

/** A file of a tar. */
export interface TarEntry extends TarMember {
  /** null where the content is above `maxMemberBytes`. */
  readonly bytes: Uint8Array | null;
}

export interface TarReadOptions {
  /** Content of a larger member is passed over, in bytes. @default 256 MiB */
  readonly maxMemberBytes?: number;
  /** What messages call the file. @default 'tar file' */
  readonly name?: string;
}

/** Longest name that is believed, in bytes: that of a path in Linux, PATH_MAX. */
const MAX_NAME_BYTES = 4096;
/** Largest pax header or GNU long name that is read, in bytes. */
const MAX_META_BYTES = 1 << 20;

/**
 * The regular files of a tar (V7, USTAR, pax, GNU) in their order; folders, links and devices are passed over.
 * @throws GleanerError DAMAGED at a wrong checksum, a nonsense size or name, or where the archive is cut off
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  options: TarReadOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const { maxMemberBytes = 256 << 20, name: file = 'tar file' } = options;
  const reader = new Reader(chunks);
  const fail = (problem: string, at: number) =>
    new GleanerError('DAMAGED', { path: file, problem: `${problem} (at byte ${at})` });
  let override: { path?: string; size?: number } = {};
  try {
    for (;;) {
      const at = reader.position;
      const block = await reader.take(BLOCK);
      // The end mark is two zero blocks; one, or none at all, is forgiven, as tar(1) does.
      if (block === undefined || block.every((b) => b === 0)) {
        if (block === undefined && reader.short > 0) throw fail('the archive is cut off', at);
        return;
      }
      const stored = octal(block, 148, 8);
      const blanked = block.slice().fill(0x20, 148, 156);
      if (stored === undefined || (stored !== sumOf(blanked) && stored !== signedChecksum(blanked)))
        throw fail('is not a tar, or a header is damaged', at);
      const type = String.fromCharCode(block[156] ?? 0);
      const size = override.size ?? octal(block, 124, 12);
      if (size === undefined || !Number.isSafeInteger(size)) throw fail('a member has no legal size', at);
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;

      if (type === 'x' || type === 'L' || type === 'K' || type === 'g') {
        const own = octal(block, 124, 12) ?? 0;
        if (own > MAX_META_BYTES) throw fail(`a header of ${own} bytes`, at);
        const meta = await reader.take(own);
        if (!meta || !(await reader.skip((BLOCK - (own % BLOCK)) % BLOCK)))
          throw fail('the archive is cut off', at);
        if (type === 'L') override.path = cString(meta);
        if (type === 'x') override = { ...override, ...parsePax(meta) };
        continue;
      }
      const name = override.path ?? ustarName(block);
      override = {};
      const offset = reader.position;
      const regular = type === '0' || type === '\0' || type === '7';
      if (!regular || size > maxMemberBytes) {
        // Links and folders have no content, whatever their size field says.
        const content = regular ? size + padding : type >= '1' && type <= '6' ? 0 : size + padding;
        if (!(await reader.skip(content))) throw fail('the archive is cut off', at);
        if (regular) yield { name, offset, length: size, bytes: null };
        continue;
      }
      if (name === '' || encoder.encode(name).length > MAX_NAME_BYTES)
        throw fail('a member has no legal name', at);
      const bytes = await reader.take(size);
      if (!bytes || !(await reader.skip(padding))) throw fail('the archive is cut off', at);
      yield { name, offset, length: size, bytes };
    }
  } finally {
    await reader.close();
  }
}

function ustarName(block: Uint8Array): string {
  const name = cString(block.subarray(0, 100));
  const ustar = cString(block.subarray(257, 262)) === 'ustar';
  // GNU writes 'ustar  ' and keeps times where USTAR has its prefix.
  const prefix = ustar && block[262] === 0 ? cString(block.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** An octal field, or GNU's base-256 for numbers that do not fit; undefined where it is neither. */
function octal(block: Uint8Array, start: number, length: number): number | undefined {
  const field = block.subarray(start, start + length);
  if (field[0] === 0x80) return field.subarray(1).reduce((n, byte) => n * 256 + byte, 0);
  const digits = cString(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
}

/** Some old writers summed signed bytes. */
function signedChecksum(block: Uint8Array): number {
  return block.reduce((sum, byte) => sum + ((byte << 24) >> 24), 0);
}

function parsePax(meta: Uint8Array): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  let at = 0;
  while (at < meta.length) {
    const blank = meta.indexOf(0x20, at);
    const length = blank < 0 ? Number.NaN : Number(cString(meta.subarray(at, blank)));
    if (!Number.isInteger(length) || length <= blank - at || at + length > meta.length) break;
    const record = new TextDecoder().decode(meta.subarray(blank + 1, at + length - 1));
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === 'path') found.path = value;
    if (key === 'size' && /^\d+$/.test(value)) found.size = Number(value);
    at += length;
  }
  return found;
}

/** Takes bytes in the portions asked for, whatever the chunks they come in. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  position = 0;
  /** Bytes left over at the end that did not fill the last portion asked for. */
  short = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      this.#chunk = next.value;
    }
    return true;
  }

  /** The next bytes, or undefined where there are fewer. Memory grows with what came, not with what was asked. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < length) {
      if (!(await this.#more())) {
        this.short = have;
        return undefined;
      }
      const part = this.#chunk.subarray(0, length - have);
      this.#chunk = this.#chunk.subarray(part.length);
      parts.push(part);
      have += part.length;
      this.position += part.length;
    }
    return parts.length === 1 && parts[0] ? parts[0] : concat(parts, length);
  }

  async skip(length: number): Promise<boolean> {
    let left = length;
    while (left > 0) {
      if (!(await this.#more())) return false;
      const n = Math.min(left, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(n);
      this.position += n;
      left -= n;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
