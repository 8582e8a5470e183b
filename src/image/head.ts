import { dropped, type ImageFormat, kept, type Outcome } from '../schema/index.ts';
import { type JpegHeader, readJpegHeader } from './jpeg-header.ts';
import { sniff } from './sniff.ts';

/** What an image may be. */
export interface DecodeLimits {
  /** Pixels as stored, width × height; asked of the header, before anything is decoded. */
  readonly maxPixels: number;
  /** Bytes of the body. */
  readonly minBytes: number;
  /** Formats that are accepted; 'other' is never, even if named here. */
  readonly formats: readonly ImageFormat[];
}

/** What the first bytes of an image tell. */
export type ImageHead =
  | { readonly format: 'jpeg'; readonly header: JpegHeader }
  | { readonly format: Exclude<ImageFormat, 'jpeg' | 'other'> };

/**
 * Looks at the body of an image response without a decoder: all that can be refused before one sees it, in the order of
 * the funnel: `body_small`, `format` (by content; the detail names what was found), and of JPEGs `undecodable` where
 * their markers are none and `pixels` (detail `width x height`). Never throws.
 */
export function readHead(bytes: Uint8Array, limits: DecodeLimits): Outcome<ImageHead> {
  if (bytes.length < limits.minBytes) return dropped('body_small', `${bytes.length} bytes`);
  const { format, name } = sniff(bytes);
  if (format === undefined || format === 'other' || !limits.formats.includes(format))
    return dropped('format', name);
  if (format !== 'jpeg') return kept({ format });
  const header = readJpegHeader(bytes);
  if (header === undefined) return dropped('undecodable', 'no frame or no scan');
  const { width, height } = header;
  if (width * height > limits.maxPixels) return dropped('pixels', `${width} x ${height}`);
  return kept({ format, header });
}
