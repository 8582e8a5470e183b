import { GleanerError } from '../schema/index.ts';
import { freeBytes } from './free-bytes.ts';
import { gzipMembers } from './gzip-members.ts';
import { describeContent } from './sniff.ts';
import { WarcParser } from './warc-parser.ts';
import type { WarcDamage, WarcRecord } from './warc-record.ts';

/** Enough of a file to say what it is. */
const HEAD_BYTES = 64;

export interface WarcOptions {
  /** What messages call the file. */
  readonly path: string;
  /** What the file is meant to be, for the message where it is not. */
  readonly fileKind: 'WAT' | 'WARC';
  /** Largest payload, in bytes; a larger record is passed over and reported as record_too_large. */
  readonly maxRecordBytes: number;
  /** Offset of the first chunk in the file, where reading does not begin at its start. @default 0 */
  readonly start?: number;
  /**
   * Chunks are good only until the next is asked for, and so are payloads until the next record is: their memory is
   * used again, which spares the garbage collector most of its work. @default false
   */
  readonly passing?: boolean;
}

/**
 * The records of a WARC file (versions 0.17 to 1.1), plain, gzip by member or gzip as one stream, with CRLF or bare
 * LF line ends. `chunks` are the bytes of the file in order from `start`, where a record or member begins.
 * Memory: a record of `maxRecordBytes` and a few MB.
 * @throws GleanerError NOT_WARC where the first bytes are neither gzip nor WARC
 */
export async function* readWarc(
  chunks: AsyncIterable<Uint8Array>,
  options: WarcOptions,
): AsyncGenerator<WarcRecord | WarcDamage, void, undefined> {
  for await (const batch of readWarcBatches(chunks, options)) yield* batch;
}

/**
 * The same, as many records at once as were read at once: a turn of an asynchronous loop for each would cost as much
 * as cutting it out. With `passing`, payloads are good until the next batch is asked for.
 * @throws GleanerError as readWarc
 */
export async function* readWarcBatches(
  chunks: AsyncIterable<Uint8Array>,
  options: WarcOptions,
): AsyncGenerator<readonly (WarcRecord | WarcDamage)[], void, undefined> {
  const { path, fileKind, maxRecordBytes, start = 0, passing = false } = options;
  const { head, all } = await peek(chunks);
  // gzip by its magic alone: its first member may be damaged like any other.
  const plain = head[0] !== 0x1f || head[1] !== 0x8b;
  const parser = new WarcParser({ maxRecordBytes, plain });
  const notWarc = (found: string) => new GleanerError('NOT_WARC', { path, kind: fileKind, found });
  if (head.length === 0) throw notWarc('nothing: it is empty');

  if (plain) {
    parser.begin(start);
    for await (const bytes of all) {
      // The parser keeps what a record begins in.
      parser.push(passing ? new Uint8Array(bytes) : bytes);
      if (parser.foreign) throw notWarc(describeContent(head));
      if (parser.out.length > 0) yield parser.out.splice(0);
    }
  } else {
    let first: Uint8Array = head;
    for await (const event of gzipMembers(all, start)) {
      if (event.kind === 'members') {
        let from = 0;
        for (const { offset, end } of event.members) {
          const bytes = event.bytes.subarray(from, end);
          if (first === head && bytes.length > 0) first = new Uint8Array(bytes.subarray(0, HEAD_BYTES));
          parser.member(offset, bytes);
          if (parser.foreign) throw notWarc(`gzip of ${describeContent(first)}`);
          from = end;
        }
      } else if (event.kind === 'begin') parser.begin(event.offset);
      else if (event.kind === 'bytes') {
        if (first === head && event.bytes.length > 0) first = event.bytes;
        parser.push(event.bytes);
      } else if (event.ok) {
        if (parser.foreign) throw notWarc(`gzip of ${describeContent(first)}`);
        parser.end();
      } else {
        // What a damaged member gave is no proof that the file is none.
        parser.foreign = false;
        parser.end(event.problem);
      }
      if (!parser.foreign && parser.out.length > 0) yield parser.out.splice(0);
      if (passing && event.kind === 'members' && parser.release()) freeBytes(event.bytes);
    }
  }
  if (plain) parser.end();
  parser.close();
  if (parser.foreign) throw notWarc(describeContent(head));
  if (parser.out.length > 0) yield parser.out.splice(0);
}

/** The first bytes, and all bytes with them. `head` is empty only where there are none. */
async function peek(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  let done = false;
  while (head.length < 16 && !done) {
    const next = await iterator.next();
    done = next.done === true;
    if (next.done) break;
    // A copy: what is read next may lie where this does.
    const longer = new Uint8Array(head.length + next.value.length);
    longer.set(head);
    longer.set(next.value, head.length);
    head = longer;
  }
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}

/** WARC-Target-URI, without the angle brackets that old versions of wget put around it; '' if there is none. */
export function targetUri(record: WarcRecord): string {
  const uri = record.headers.get('warc-target-uri') ?? '';
  return uri.startsWith('<') && uri.endsWith('>') ? uri.slice(1, -1) : uri;
}
