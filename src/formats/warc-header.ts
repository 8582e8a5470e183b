const LF = 0x0a;
const CR = 0x0d;

/** The header of a WARC record. */
export interface WarcHeader {
  /** Bytes up to the payload. */
  readonly length: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly contentLength: number;
}

/** The header at the front of `bytes`: the version line, fields, an empty line; lines end with LF or CR LF. */
export function parseHeader(bytes: Uint8Array): WarcHeader | 'incomplete' | 'illegal' {
  const end = headerEnd(bytes);
  if (end === undefined) return 'incomplete';
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('utf8');
  const firstEnd = text.indexOf('\n');
  if (!/^WARC\/\d+\.\d+\s*$/.test(text.slice(0, firstEnd))) return 'illegal';
  const fields = new Map<string, string>();
  let last = '';
  for (let at = firstEnd + 1; at < text.length; ) {
    const lineEnd = text.indexOf('\n', at);
    const line = text.slice(at, text[lineEnd - 1] === '\r' ? lineEnd - 1 : lineEnd);
    at = lineEnd + 1;
    if (line === '') break;
    if ((line[0] === ' ' || line[0] === '\t') && fields.has(last)) {
      fields.set(last, `${fields.get(last)} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) return 'illegal';
    last = line.slice(0, colon).trim().toLowerCase();
    if (!fields.has(last)) fields.set(last, line.slice(colon + 1).trim());
  }
  const length = fields.get('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) return 'illegal';
  return { length: end, fields, contentLength: Number(length) };
}

/** Position behind the first empty line. */
function headerEnd(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return undefined;
}
