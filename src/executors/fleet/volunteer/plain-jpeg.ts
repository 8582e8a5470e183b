/** Segments that `encodeJpeg` writes: JFIF, tables, a baseline frame, a scan (ITU-T T.81, B.1.1.3). */
const JFIF = 0xe0;
const TABLES = new Set([0xdb, 0xc4]);
const FRAME = 0xc0;
const SCAN = 0xda;
const END = 0xd9;
/** Of an APP0 segment without a thumbnail (JFIF 1.02). */
const JFIF_LENGTH = 16;

/**
 * Whether bytes are a JPEG as the release stores them and nothing else: one baseline scan, no comment, no metadata, no
 * thumbnail, and not a byte after its end.
 */
export function isPlainJpeg(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  let at = 2;
  let frames = 0;
  for (let first = true; ; first = false) {
    const [ff, marker = 0, high = 0, low = 0] = bytes.subarray(at, at + 4);
    if (ff !== 0xff) return false;
    const length = high * 256 + low;
    if (length < 2 || at + 2 + length > bytes.length) return false;
    if (marker === JFIF) {
      if (!first || length !== JFIF_LENGTH) return false;
    } else if (marker === FRAME) frames++;
    else if (marker === SCAN) return frames === 1 && endsScan(bytes, at + 2 + length);
    else if (!TABLES.has(marker)) return false;
    at += 2 + length;
  }
}

/** Whether the scan that begins there goes on to the end of the image, which is that of the bytes. */
function endsScan(bytes: Uint8Array, start: number): boolean {
  for (let at = bytes.indexOf(0xff, start); at >= 0; at = bytes.indexOf(0xff, at + 2)) {
    const next = bytes[at + 1];
    if (next === 0) continue;
    return next === END && at + 2 === bytes.length;
  }
  return false;
}
