const LF = 0x0a;
const CR = 0x0d;

/** The header of a WARC record. */
export interface WarcHeader {
  /** Bytes up to the payload. */
  readonly length: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly contentLength: number;
}

const utf8 = new TextDecoder();

/** The header at the front of `bytes`: the version line, fields, an empty line; lines end with LF or CR LF. */
export function parseHeader(bytes: Uint8Array): WarcHeader | 'incomplete' | 'illegal' {
  const end = headerEnd(bytes);
  if (end === undefined) return 'incomplete';
  const [version = '', ...lines] = utf8.decode(bytes.subarray(0, end)).split(/\r?\n/);
  if (!/^WARC\/\d+\.\d+\s*$/.test(version)) return 'illegal';
  const fields = new Map<string, string>();
  let last = '';
  for (const line of lines) {
    if (line === '') break;
    if (/^[ \t]/.test(line) && fields.has(last)) {
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
