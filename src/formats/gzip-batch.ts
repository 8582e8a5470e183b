import { gunzipSync } from 'node:zlib';

export interface WholeMember {
  /** Offset in the file. */
  readonly offset: number;
  /** Position behind its last byte in the bytes of all. */
  readonly end: number;
}

/**
 * Members that lie within so many compressed bytes are decompressed in one call. A call for each member costs 16 µs,
 * which for the 33,000 members of 1.6 kB of a WAT is as much as the decompression itself.
 */
export const BATCH_BYTES = 256 << 10;
/** Most that such a call may give; beyond it the member is streamed, so that a bomb costs no memory. */
export const WHOLE_OUTPUT_BYTES = 16 << 20;
const MAGIC = Buffer.of(0x1f, 0x8b, 8);
/** Header, an empty deflate stream, trailer. */
const MIN_MEMBER_BYTES = 20;

export interface Batch {
  /** Undefined where the members do not fit what was found of them. */
  readonly bytes: Uint8Array | undefined;
  readonly members: readonly WholeMember[];
  /** Compressed bytes that were looked at. */
  readonly length: number;
}

/**
 * Inflates the members at the front of `bytes` at once. Where they begin is found by their first bytes, which may
 * also stand within a member: the lengths that stand before each have to add up to what there is. zlib compares the
 * checksum of each.
 */
export function inflateBatch(bytes: Uint8Array, offset: number): Batch {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, BATCH_BYTES));
  const members: WholeMember[] = [];
  let begin = 0;
  let total = 0;
  if (isGzip(buffer))
    for (let at = buffer.indexOf(MAGIC, 1); at >= 0; at = buffer.indexOf(MAGIC, at + 1)) {
      if (at < begin + MIN_MEMBER_BYTES || !isGzip(buffer, at)) continue;
      const length = buffer.readUInt32LE(at - 4);
      if (total + length > WHOLE_OUTPUT_BYTES) break;
      total += length;
      members.push({ offset: offset + begin, end: total });
      begin = at;
    }
  if (total === 0) return { bytes: undefined, members, length: Math.max(begin, 1) };
  try {
    const out = gunzipSync(buffer.subarray(0, begin), {
      chunkSize: Math.max(total + 1, 64), // One piece, which then is not copied.
      maxOutputLength: total,
    });
    if (out.length === total) return { bytes: out, members, length: begin };
  } catch {
    // Read one by one, the damaged member is found.
  }
  return { bytes: undefined, members, length: begin };
}

/** Whether these bytes can begin a gzip member: magic, deflate, no reserved flag. */
export function isGzip(bytes: Uint8Array, at = 0): boolean {
  return (
    bytes[at] === 0x1f &&
    bytes[at + 1] === 0x8b &&
    bytes[at + 2] === 8 &&
    ((bytes[at + 3] ?? 0xff) & 0xe0) === 0
  );
}
