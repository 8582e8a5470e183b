/** WAT records in the layout of Common Crawl's own generator (ia-web-commons): one JSON envelope for each WARC record. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { gzipMember, warcRecord } from '../src/formats/index.ts';
import type { PageContent } from './pages.ts';

type Headers = Readonly<Record<string, string>>;

/** A record of a crawl's WARC file, and what a WAT says of its payload. */
export interface CrawlRecord {
  readonly headers: Headers & { readonly 'WARC-Type': string; readonly 'WARC-Record-ID': string };
  readonly block: Uint8Array;
  /** Of the envelope's Payload-Metadata, apart from lengths and digests. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A record ID that its name fixes: `<urn:uuid:…>` with the version bits of a name-based UUID (RFC 9562, 5.8). */
export function recordId(name: string): string {
  const hex = hash('sha256', name);
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return `<urn:uuid:${uuid}>`;
}

/** SHA-1 in base 32 (RFC 4648), as WARC files write digests. */
export function sha1(bytes: Uint8Array): string {
  const digest = hash('sha1', bytes, 'buffer');
  let out = 'sha1:';
  for (let bit = 0; bit < 160; bit += 5) {
    const pair = ((digest[bit >> 3] ?? 0) << 8) | (digest[(bit >> 3) + 1] ?? 0);
    out += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[(pair >> (11 - (bit & 7))) & 31];
  }
  return out;
}

/** An HTTP message, taken apart. */
export interface Message {
  /** 'HTTP/1.1 200 OK' or 'GET / HTTP/1.1'. */
  readonly start: string;
  /** Names and values as sent, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

export function messageBytes({ start, headers, body }: Message): Buffer {
  return Buffer.concat([Buffer.from(messageHead(start, headers), 'latin1'), body]);
}

function messageHead(start: string, headers: Message['headers']): string {
  return `${start}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

function messageFacts({ start, headers, body }: Message): Record<string, unknown> {
  return {
    'Headers-Length': String(Buffer.byteLength(messageHead(start, headers), 'latin1')),
    Headers: Object.fromEntries(headers),
    'Entity-Length': String(body.length),
    'Entity-Digest': sha1(body),
    'Entity-Trailing-Slop-Length': '0',
  };
}

export function requestMetadata(message: Message): CrawlRecord['metadata'] {
  const [Method, Path, version] = message.start.split(' ');
  return {
    'Actual-Content-Type': 'application/http; msgtype=request',
    'HTTP-Request-Metadata': {
      'Request-Message': { Method, Path, Version: version },
      ...messageFacts(message),
    },
  };
}

/** @param content - What is in the page that the response holds. */
export function responseMetadata(message: Message, content: PageContent): CrawlRecord['metadata'] {
  const [Version, Status, ...reason] = message.start.split(' ');
  return {
    'Actual-Content-Type': 'application/http; msgtype=response',
    'HTTP-Response-Metadata': {
      'Response-Message': { Status, Version, Reason: reason.join(' ') },
      ...messageFacts(message),
      'HTML-Metadata': {
        Head: {
          Metas: [
            { name: 'HTML@/lang', content: 'en' },
            { name: 'description', content: content.description },
          ],
          Title: content.title,
          ...(content.base !== undefined && { Base: content.base }),
          ...(content.licenseLink !== undefined && {
            Link: [{ path: 'LINK@/href', url: content.licenseLink, rel: 'license' }],
          }),
        },
        Links: content.links,
      },
    },
  };
}

export function fieldsMetadata(fields: Headers): CrawlRecord['metadata'] {
  const records = Object.entries(fields).map(([Name, Value]) => ({ Name, Value }));
  return {
    'Actual-Content-Type': 'application/metadata-fields',
    'WARC-Metadata-Metadata': { 'Metadata-Records': records },
  };
}

/** 'name: value' lines, the payload of warcinfo and metadata records. */
export function fieldsBytes(fields: Headers): Buffer {
  return Buffer.from(
    Object.entries(fields)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join(''),
  );
}

/** The records as they stand in a WARC file and in the WAT that belongs to it, gzip by member. */
export interface CrawlFiles {
  readonly warc: Buffer;
  readonly wat: Buffer;
}

/**
 * Writes a crawl's records as a WARC file and its WAT. Offsets, lengths and digests in the WAT are those of the
 * WARC.
 *
 * @param name - Of the WARC file, without '.warc.gz'.
 * @param date - Of the WAT's making, ISO 8601.
 */
export function crawlFiles(name: string, date: string, records: readonly CrawlRecord[]): CrawlFiles {
  const filename = `${name}.warc.gz`;
  const warc: Uint8Array[] = [];
  const wat: Uint8Array[] = [gzipMember(watInfo(name, date))];
  let offset = 0;
  for (const { headers, block, metadata } of records) {
    const bytes = warcRecord({ headers, payload: block });
    const member = gzipMember(bytes);
    warc.push(member);
    const envelope = {
      Container: {
        Filename: filename,
        Compressed: true,
        Offset: String(offset),
        'Gzip-Metadata': {
          'Deflate-Length': String(member.length),
          'Header-Length': '10',
          'Footer-Length': '8',
          'Inflated-CRC': String(crc32(bytes) | 0),
          'Inflated-Length': String(bytes.length),
        },
      },
      Envelope: {
        'Payload-Metadata': {
          ...metadata,
          'Actual-Content-Length': String(block.length),
          'Trailing-Slop-Length': '4',
          'Block-Digest': sha1(block),
        },
        Format: 'WARC/1.0',
        'WARC-Header-Length': String(bytes.length - block.length - 4),
        'WARC-Header-Metadata': { ...headers, 'Content-Length': String(block.length) },
      },
    };
    const watHeaders = {
      'WARC-Type': 'metadata',
      'WARC-Target-URI': headers['WARC-Target-URI'] ?? filename,
      'WARC-Date': date,
      'WARC-Record-ID': recordId(`wat ${headers['WARC-Record-ID']}`),
      'WARC-Refers-To': headers['WARC-Record-ID'],
      'Content-Type': 'application/json',
    };
    wat.push(gzipMember(warcRecord({ headers: watHeaders, payload: JSON.stringify(envelope) })));
    offset += member.length;
  }
  return { warc: Buffer.concat(warc), wat: Buffer.concat(wat) };
}

function watInfo(name: string, date: string): Uint8Array {
  const headers = {
    'WARC-Type': 'warcinfo',
    'WARC-Date': date,
    'WARC-Filename': `${name}.warc.wat.gz`,
    'WARC-Record-ID': recordId(`wat ${name}`),
    'Content-Type': 'application/warc-fields',
  };
  const fields = { 'Software-Info': 'gleaner demo', 'Extracted-Date': date, format: 'WARC File Format 1.0' };
  return warcRecord({ headers, payload: fieldsBytes(fields) });
}
