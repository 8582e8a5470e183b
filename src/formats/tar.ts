import { GleanerError } from '../schema/index.ts';
import { BLOCK, sumOf, type TarMember } from './tar-writer.ts';

/** A file of a tar. */
export interface TarEntry extends TarMember {
  /** Where its first header begins, that of a long name included. */
  readonly start: number;
  /** null where the content is above `maxMemberBytes`. */
  readonly bytes: Uint8Array | null;
}

export interface TarReadOptions {
  /** Content of a larger member is passed over, in bytes. @default 256 MiB */
  readonly maxMemberBytes?: number;
  /** What messages call the file. @default 'tar file' */
  readonly name?: string;
  /** Where in the tar the chunks begin, for offsets and messages: at a header. @default 0 */
  readonly from?: number;
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
  const { maxMemberBytes = 256 << 20, name: file = 'tar file', from = 0 } = options;
  const reader = new Reader(chunks, from);
  const fail = (problem: string, at: number) =>
    new GleanerError('DAMAGED', { path: file, problem: `${problem} (at byte ${at})` });
  let override: { path?: string; size?: number } = {};
  let start: number | undefined;
  try {
    for (;;) {
      const at = reader.position;
      start ??= at;
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
      const first = start;
      start = undefined;
      const offset = reader.position;
      const regular = type === '0' || type === '\0' || type === '7';
      if (!regular || size > maxMemberBytes) {
        // Links and folders have no content, whatever their size field says.
        const content = regular ? size + padding : type >= '1' && type <= '6' ? 0 : size + padding;
        if (!(await reader.skip(content))) throw fail('the archive is cut off', at);
        if (regular) yield { name, start: first, offset, length: size, bytes: null };
        continue;
      }
      if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES)
        throw fail('a member has no legal name', at);
      const bytes = await reader.take(size);
      if (!bytes || !(await reader.skip(padding))) throw fail('the archive is cut off', at);
      yield { name, start: first, offset, length: size, bytes };
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
  position: number;
  /** Bytes left over at the end that did not fill the last portion asked for. */
  short = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, position: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.position = position;
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
