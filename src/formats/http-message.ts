import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { dropped, kept, type Outcome } from '../schema/index.ts';

/** An HTTP response as an archive holds it, taken apart. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; fields of one name joined by ', '. */
  readonly headers: ReadonlyMap<string, string>;
  /** Without transfer and content encodings. */
  readonly body: Uint8Array;
}

export interface HttpLimits {
  /** Largest body, in bytes, counted after decoding. */
  readonly maxBodyBytes: number;
}

/** Longest header that is believed, in bytes; servers allow 8 to 64 KiB. */
const MAX_HEADER_BYTES = 256 << 10;
/** Content codings on top of each other: more than two are an attack. */
const MAX_CODINGS = 3;

/**
 * Parses the payload of a WARC response record: status line, fields, body. Chunked transfer and gzip, deflate, br
 * and zstd content codings are removed. Many crawlers store the body decoded but keep the header fields; so a body
 * that does not begin like its coding is taken as it is. Bytes beyond Content-Length are kept, for the same reason.
 * Never throws: dropped with body_large, or with body_broken (no HTTP, a damaged coding, shorter than its length).
 */
export function parseHttpResponse(payload: Uint8Array, limits: HttpLimits): Outcome<HttpResponse> {
  const head = parseHead(payload);
  if (!head) return dropped('body_broken', 'no HTTP response');
  const { status, headers } = head;
  let body: Uint8Array = payload.subarray(head.length);

  if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) {
    const joined = beginsWithChunk(body) ? unchunk(body) : body;
    if (!joined) return dropped('body_broken', 'chunked transfer');
    body = joined;
  } else {
    const length = headers.get('content-length') ?? '';
    if (/^\d{1,15}$/.test(length) && body.length < Number(length) && mayHaveBody(status))
      return dropped('body_broken', `${body.length} of ${length} bytes`);
  }

  const codings = (headers.get('content-encoding') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (codings.length > MAX_CODINGS) return dropped('body_broken', `${codings.length} content codings`);
  for (const coding of codings.reverse()) {
    const decoded = decode(body, coding, limits.maxBodyBytes);
    if (!decoded.kept) return decoded;
    body = decoded.value;
  }
  if (body.length > limits.maxBodyBytes) return dropped('body_large', `${body.length} bytes`);
  return kept({ status, headers, body });
}

function mayHaveBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes up to the body. */
  readonly length: number;
}

function parseHead(payload: Uint8Array): Head | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, MAX_HEADER_BYTES));
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  if (!end && payload.length > MAX_HEADER_BYTES) return undefined;
  // A header that ends the payload needs no empty line: a response without a body.
  const length = end ? end.index + end[0].length : bytes.length;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end ? end.index : bytes.length).split(/\r?\n/);
  const status = /^HTTP\/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t]|$)/i.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  let last = '';
  for (const line of lines) {
    if (/^[ \t]/.test(line) && headers.has(last)) {
      headers.set(last, `${headers.get(last)} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) continue; // browsers pass over what is no field
    last = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(last);
    headers.set(last, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers, length };
}

/** A chunk-size line (RFC 9112, 7.1): up to 8 hexadecimal digits, perhaps an extension. */
const CHUNK_LINE = /^([0-9a-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n/i;

function chunkLine(body: Buffer, at: number): { readonly size: number; readonly length: number } | undefined {
  const match = CHUNK_LINE.exec(body.toString('latin1', at, at + 256));
  return match?.[1] ? { size: Number.parseInt(match[1], 16), length: match[0].length } : undefined;
}

function beginsWithChunk(body: Uint8Array): boolean {
  return chunkLine(asBuffer(body), 0) !== undefined;
}

/** The chunks put together; undefined where they are cut off or illegal. */
function unchunk(bytes: Uint8Array): Uint8Array | undefined {
  const body = asBuffer(bytes);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const line = chunkLine(body, at);
    if (!line) return undefined;
    at += line.length;
    if (line.size === 0) return Buffer.concat(parts);
    if (at + line.size > body.length) return undefined;
    parts.push(body.subarray(at, at + line.size));
    at += line.size;
    if (body[at] === 0x0d) at++;
    if (body[at] === 0x0a) at++;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function decode(body: Uint8Array, coding: string, maxOutputLength: number): Outcome<Uint8Array> {
  const options = { maxOutputLength: Math.max(1, maxOutputLength) };
  try {
    switch (coding) {
      case 'gzip':
      case 'x-gzip':
        return kept(body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body, options) : body);
      case 'deflate':
        return kept(inflateEither(body, options));
      case 'br': // has no magic number: what cannot be decoded was stored decoded, or is broken
        return kept(brotliDecompressSync(body, options));
      case 'zstd':
        return kept(body[0] === 0x28 && body[1] === 0xb5 ? zstdDecompressSync(body, options) : body);
      default:
        return dropped('body_broken', `content coding ${coding.slice(0, 20)}`);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      return dropped('body_large', `more than ${maxOutputLength} bytes`);
    return dropped('body_broken', `content coding ${coding}`);
  }
}

/** 'deflate' is zlib's format by the book (RFC 9110, 8.4.1.2), and raw deflate from some servers. */
function inflateEither(body: Uint8Array, options: { readonly maxOutputLength: number }): Uint8Array {
  const zlib = ((body[0] ?? 0) & 0x0f) === 8 && (((body[0] ?? 0) << 8) | (body[1] ?? 0)) % 31 === 0;
  return zlib ? inflateSync(body, options) : inflateRawSync(body, options);
}
