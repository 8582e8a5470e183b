/** What the markers of a JPEG say before its pixels are decoded. */
export interface JpegHeader {
  /** Of the frame, in pixels as stored. */
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly precision: number;
  readonly components: number;
  /** Low byte of the SOF marker: 0xc0 baseline, 0xc1 extended, 0xc2 progressive; above 0xc8 arithmetic. */
  readonly frame: number;
  /** EXIF orientation, 1 to 8; 1 where there is none. */
  readonly orientation: number;
  /** The ICC profile, its segments joined (ICC.1:2010, B.4); of no bytes where one is missing, undefined without any. */
  readonly profile: Uint8Array | undefined;
}

/**
 * Reads the markers up to the frame and on to the first scan (ITU-T T.81, annex B), and from them the EXIF
 * orientation (Exif 2.32, tag 0x0112) and the ICC profile.
 *
 * @returns undefined where the markers are no JPEG stream with a frame and a scan.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: Pick<JpegHeader, 'width' | 'height' | 'precision' | 'components' | 'frame'> | undefined;
  let orientation = 1;
  const chunks: Uint8Array[] = [];
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) {
      at++; // Stray bytes between segments: libjpeg skips them too, with a warning.
      continue;
    }
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++; // Fill byte.
      continue;
    }
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    if (marker === 0xd9) return undefined;
    if (marker === 0xda) return frame && { ...frame, orientation, profile: join(chunks) };
    const length = view.getUint16(at + 2);
    const body = bytes.subarray(at + 4, at + 2 + length);
    if (length < 2 || at + 2 + length > bytes.length) return undefined;
    if (isFrame(marker) && !frame && body.length >= 6)
      frame = {
        precision: view.getUint8(at + 4),
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        components: view.getUint8(at + 9),
        frame: marker,
      };
    else if (marker === 0xe1) orientation = exifOrientation(body) ?? orientation;
    else if (marker === 0xe2 && body.length > PROFILE_AT && startsWith(body, 'ICC_PROFILE\0'))
      chunks.push(body.subarray(PROFILE_AT - 2));
    at += 2 + length;
  }
  return undefined;
}

/** Behind its name, a segment of a profile has its number, from 1, how many there are, and its part of it. */
const PROFILE_AT = 14;

function join(chunks: readonly Uint8Array[]): Uint8Array | undefined {
  if (chunks.length === 0) return undefined;
  const sorted = chunks.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  const whole = sorted.every((chunk, i) => chunk[0] === i + 1 && chunk[1] === sorted.length);
  return whole ? Buffer.concat(sorted.map((chunk) => chunk.subarray(2))) : new Uint8Array();
}

/** SOF0 to SOF15 without DHT (c4), JPG (c8) and DAC (cc). */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && latin1(bytes, 0, text.length) === text;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from, to);
}

/** The orientation of an APP1 body, undefined where it is no EXIF, has none, or has an impossible one. */
function exifOrientation(body: Uint8Array): number | undefined {
  if (!startsWith(body, 'Exif\0\0') || body.length < 14) return undefined;
  const tiff = new DataView(body.buffer, body.byteOffset + 6, body.byteLength - 6);
  const order = tiff.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const directory = tiff.getUint32(4, little);
  if (directory + 2 > tiff.byteLength) return undefined;
  const entries = tiff.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + i * 12;
    if (entry + 12 > tiff.byteLength) return undefined;
    if (tiff.getUint16(entry, little) !== 0x0112) continue;
    const value = tiff.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return undefined;
}
