import { parseHeader } from './warc-header.ts';
import type { WarcRecord } from './warc-record.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const MINUS = 0x2d;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;
const VERSION = Buffer.from('WARC/1.');
const TYPE = Buffer.from('warc-type');
const LENGTH = Buffer.from('content-length');

/**
 * The record that a member holds, if it holds just one and all about it is as writers of today write it: version 1.0
 * or 1.1, lines that end with CR LF, type and length each once. Others are read field by field.
 */
export function onlyRecord(offset: number, all: Uint8Array, maxRecordBytes: number): WarcRecord | undefined {
  const bytes = Buffer.isBuffer(all) ? all : Buffer.from(all.buffer, all.byteOffset, all.length);
  for (let i = 0; i < VERSION.length; i++) if (bytes[i] !== VERSION[i]) return undefined;
  const version = bytes[VERSION.length];
  if (version !== 0x30 && version !== 0x31) return undefined;
  if (bytes[VERSION.length + 1] !== CR || bytes[VERSION.length + 2] !== LF) return undefined;
  let type: string | undefined;
  let length = -1;
  let at = VERSION.length + 3;
  for (let end = 0; bytes[at] !== CR; at = end + 2) {
    end = bytes.indexOf(LF, at) - 1;
    if (end < at || bytes[end] !== CR) return undefined;
    const colon = nameEnd(bytes, at);
    if (bytes[colon] !== COLON || bytes[colon + 1] !== SPACE) return undefined;
    if (isName(bytes, at, colon, TYPE)) {
      if (type !== undefined) return undefined;
      type = bytes
        .subarray(colon + 2, end)
        .toString()
        .toLowerCase();
      if (!/^[a-z]+$/.test(type)) return undefined;
    } else if (isName(bytes, at, colon, LENGTH)) {
      if (length >= 0) return undefined;
      const digits = bytes.subarray(colon + 2, end).toString();
      if (!/^\d{1,15}$/.test(digits)) return undefined;
      length = Number(digits);
    }
  }
  if (bytes[at + 1] !== LF || type === undefined || length < 0 || length > maxRecordBytes) return undefined;
  const start = at + 2;
  const end = start + length;
  if (bytes.length !== end + 4) return undefined;
  for (let i = end; i < bytes.length; i++) if (bytes[i] !== LF && bytes[i] !== CR) return undefined;
  return new WholeRecord(offset, type, bytes, start, end);
}

/** Position behind a field's name. */
function nameEnd(bytes: Uint8Array, at: number): number {
  for (;;) {
    const c = bytes[at] ?? 0;
    const letter = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
    if (!letter && c !== MINUS && c !== UNDERSCORE && (c < 0x30 || c > 0x39)) return at;
    at++;
  }
}

/** Whether the field has this name, in whatever case. @param name in lower case */
function isName(bytes: Uint8Array, at: number, end: number, name: Uint8Array): boolean {
  if (end - at !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (((bytes[at + i] ?? 0) | 0x20) !== name[i]) return false;
  return true;
}

/** A record whose header fields are read when they are asked for: who reads a WAT never does. */
class WholeRecord implements WarcRecord {
  readonly kind = 'record';
  readonly skip = 0;
  readonly offset: number;
  readonly type: string;
  readonly payload: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #headerEnd: number;

  constructor(offset: number, type: string, bytes: Uint8Array, headerEnd: number, end: number) {
    this.offset = offset;
    this.type = type;
    this.payload = bytes.subarray(headerEnd, end);
    this.#bytes = bytes;
    this.#headerEnd = headerEnd;
  }

  get headers(): ReadonlyMap<string, string> {
    const header = parseHeader(this.#bytes.subarray(0, this.#headerEnd));
    return typeof header === 'string' ? new Map() : header.fields;
  }
}
