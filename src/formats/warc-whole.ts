import { parseHeader } from './warc-header.ts';
import type { WarcRecord } from './warc-record.ts';

/** A header as writers of today write it: the type before the length, each once. Others are read field by field. */
const OTHER_FIELDS = '(?:(?!WARC-Type:|Content-Length:)[\\w-]+: [^\\r\\n]*\\r\\n)*';
const PLAIN_HEADER = new RegExp(
  `^WARC/1\\.[01]\\r\\n${OTHER_FIELDS}WARC-Type: ([a-z]+)\\r\\n${OTHER_FIELDS}Content-Length: (\\d{1,15})\\r\\n${OTHER_FIELDS}\\r\\n`,
  'i',
);
const PLAIN_HEADER_BYTES = 2048;
const LF = 0x0a;
const CR = 0x0d;

/** The record that a member holds, if it holds just one and all about it is as it should be. */
export function onlyRecord(
  offset: number,
  bytes: Uint8Array,
  maxRecordBytes: number,
): WarcRecord | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, PLAIN_HEADER_BYTES));
  const [header = '', type = '', length = ''] = PLAIN_HEADER.exec(text.toString('latin1')) ?? [];
  const contentLength = Number(length);
  if (type === '' || length === '' || contentLength > maxRecordBytes) return undefined;
  const end = header.length + contentLength;
  if (bytes.length !== end + 4) return undefined;
  for (let at = end; at < bytes.length; at++) if (bytes[at] !== LF && bytes[at] !== CR) return undefined;
  return new WholeRecord(offset, type.toLowerCase(), bytes, header.length, end);
}

/** A record whose header fields are read when they are asked for: who reads a WAT never does. */
class WholeRecord implements WarcRecord {
  readonly kind = 'record';
  readonly skip = 0;
  readonly offset: number;
  readonly type: string;
  readonly payload: Uint8Array;
  readonly #header: Uint8Array;

  constructor(offset: number, type: string, bytes: Uint8Array, headerEnd: number, end: number) {
    this.offset = offset;
    this.type = type;
    this.payload = bytes.subarray(headerEnd, end);
    this.#header = bytes.subarray(0, headerEnd);
  }

  get headers(): ReadonlyMap<string, string> {
    const header = parseHeader(this.#header);
    return typeof header === 'string' ? new Map() : header.fields;
  }
}
