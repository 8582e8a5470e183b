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
  readonly icc: 'none' | 'srgb' | 'other';
}

/**
 * Reads the markers up to the frame and on to the first scan (ITU-T T.81, annex B), and from them the EXIF
 * orientation (Exif 2.32, tag 0x0112) and whether an ICC profile is there.
 *
 * @returns undefined where the markers are no JPEG stream with a frame and a scan.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: Pick<JpegHeader, 'width' | 'height' | 'precision' | 'components' | 'frame'> | undefined;
  let orientation = 1;
  let icc: JpegHeader['icc'] = 'none';
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
    if (marker === 0xda) return frame && { ...frame, orientation, icc };
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
    else if (marker === 0xe2 && startsWith(body, 'ICC_PROFILE\0'))
      // A profile may go on in further segments; the name is in the first, whose number (from 1) stands at 12.
      icc = icc === 'srgb' || (body[12] === 1 && isSrgbProfile(body.subarray(14))) ? 'srgb' : 'other';
    at += 2 + length;
  }
  return undefined;
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

/** Descriptions of the profiles that are sRGB itself: HP's and ICC's, lcms', GIMP's, and the small one of social media. */
const SRGB_NAMES = /^(?:sRGB|sRGB IEC61966-2[.-]1.*|sRGB built-in|GIMP built-in sRGB|c2)$/;

/** By the description alone (ICC.1:2010: tag table at 128; `desc` is ASCII in version 2, `mluc` UTF-16 in version 4). */
function isSrgbProfile(profile: Uint8Array): boolean {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  if (profile.length < 132 || latin1(profile, 16, 20) !== 'RGB ') return false;
  const tags = Math.min(view.getUint32(128), 100);
  for (let at = 132; at + 12 <= Math.min(profile.length, 132 + tags * 12); at += 12) {
    if (latin1(profile, at, at + 4) !== 'desc') continue;
    const offset = view.getUint32(at + 4);
    if (offset + 28 > profile.length) return false;
    const type = latin1(profile, offset, offset + 4);
    // Of an mluc, the first record: length and offset of its text stand at 20 and 24.
    const [from, length] =
      type === 'mluc'
        ? [offset + view.getUint32(offset + 24), view.getUint32(offset + 20)]
        : [offset + 12, view.getUint32(offset + 8)];
    return SRGB_NAMES.test(latin1(profile, from, from + Math.min(length, 128)).replaceAll('\0', ''));
  }
  return false;
}
