import { gzipSync } from 'node:zlib';

export interface WarcRecordInput {
  /** WARC-Type and the others, in this order; Content-Length is added. Names and values without line ends. */
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array | string;
  /** @default '1.0' */
  readonly version?: '1.0' | '1.1';
}

/**
 * A record as it stands in a WARC file, with the two line ends behind it (ISO 28500, 4).
 * @throws RangeError at a header with a line end in it
 */
export function warcRecord({ headers, payload, version = '1.0' }: WarcRecordInput): Uint8Array {
  const block = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  const fields = Object.entries({ ...headers, 'Content-Length': String(block.length) });
  for (const [name, value] of fields)
    if (/[\r\n]/.test(name + value))
      throw new RangeError(`a line end in the WARC header ${JSON.stringify(name)}`);
  const head = `WARC/${version}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'utf8'), block, Buffer.from('\r\n\r\n')]);
}

/**
 * One gzip member (RFC 1952) without name or time: the same bytes give the same member on every system.
 * A file with a member for each record can be read from any record's offset.
 */
export function gzipMember(bytes: Uint8Array): Uint8Array {
  const member = gzipSync(bytes, { level: 6 });
  member[9] = 0xff; // operating system: unknown. zlib writes that of the machine.
  return member;
}
