import type { ImageFormat } from '../schema/index.ts';

/** What the first bytes say: a format of the closed list, and a name for people ('bmp', 'html', 'unknown'). */
export interface Sniffed {
  /** `undefined` where the bytes are no image of any format that gleaner knows. */
  readonly format: ImageFormat | undefined;
  readonly name: string;
}

/** Bytes that a text format may need before its first telling tag: XML declaration, doctype, a comment. */
const TEXT_WINDOW = 4096;

/** ISO base media brands (`ftyp` box, ISO/IEC 14496-12) of still images. */
const BRANDS: Readonly<Record<string, Sniffed>> = {
  avif: { format: 'avif', name: 'avif' },
  avis: { format: 'avif', name: 'avif' },
  heic: { format: 'other', name: 'heic' },
  heix: { format: 'other', name: 'heic' },
  hevc: { format: 'other', name: 'heic' },
  mif1: { format: 'other', name: 'heif' },
  msf1: { format: 'other', name: 'heif' },
};

/** Magic numbers at offset 0, as Latin-1. */
const SIGNATURES: readonly (readonly [magic: string, format: ImageFormat, name: string])[] = [
  ['\xff\xd8\xff', 'jpeg', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png', 'png'],
  ['GIF87a', 'gif', 'gif'],
  ['GIF89a', 'gif', 'gif'],
  ['BM', 'other', 'bmp'],
  ['II*\0', 'other', 'tiff'],
  ['MM\0*', 'other', 'tiff'],
  ['\0\0\x01\0', 'other', 'ico'],
  ['\0\0\x02\0', 'other', 'cur'],
  ['8BPS', 'other', 'psd'],
  ['\0\0\0\x0cjP  \r\n\x87\n', 'other', 'jpeg2000'],
  ['\xff\x4f\xff\x51', 'other', 'jpeg2000'],
  ['\0\0\0\x0cJXL \r\n\x87\n', 'other', 'jxl'],
  ['\xff\x0a', 'other', 'jxl'],
  ['qoif', 'other', 'qoi'],
];

/**
 * The format by content: magic numbers as in the WHATWG MIME Sniffing Standard (image type pattern matching) and
 * each format's own specification; SVG by its root element. Names, extensions and Content-Type are not asked.
 */
export function sniff(bytes: Uint8Array): Sniffed {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, TEXT_WINDOW)).toString(
    'latin1',
  );
  for (const [magic, format, name] of SIGNATURES) if (head.startsWith(magic)) return { format, name };
  if (head.startsWith('RIFF') && head.startsWith('WEBPVP', 8)) return { format: 'webp', name: 'webp' };
  if (head.startsWith('ftyp', 4))
    return BRANDS[head.slice(8, 12)] ?? { format: undefined, name: 'iso media' };
  return sniffText(head);
}

/** As {@link sniff}, the format alone. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  return sniff(bytes).format;
}

function sniffText(head: string): Sniffed {
  // Byte order mark, declaration, comments and doctype may stand before the root element.
  const root = head
    .replace(/^\xef\xbb\xbf/, '')
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<\?[^>]*\?>/g, '')
    .trimStart();
  if (/^(?:<!DOCTYPE\s+svg[^[>]*(?:\[[^\]]*\])?\s*>\s*)?<(?:\w+:)?svg[\s>/]/i.test(root))
    return { format: 'svg', name: 'svg' };
  if (/^<(?:!doctype\s+html|html|head|body)\b/i.test(root)) return { format: undefined, name: 'html' };
  return { format: undefined, name: 'unknown' };
}
