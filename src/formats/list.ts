import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { GleanerError } from '../schema/index.ts';

/** An entry of a list, and the number of its line, from 1. */
export interface ListEntry {
  readonly text: string;
  readonly line: number;
}

/**
 * Reads a list with one entry a line, plain or gzip; blank lines and what follows a '#' at the front or behind white
 * space are left out.
 * @param path for messages
 * @throws GleanerError FILE_UNREADABLE where a line is too long, or a gzip file damaged
 */
export async function* listEntries(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ListEntry> {
  let line = 0;
  for await (const whole of lines(path, chunks)) {
    line++;
    const text = whole.replace(/(?:^|\s)#.*$/, '').trim();
    if (text !== '') yield { text, line };
  }
}

/** A line beyond this is no URL. */
const MAX_LINE_CHARS = 1 << 20;

async function* lines(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of plain(path, chunks)) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/);
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS)
      throw new GleanerError('FILE_UNREADABLE', {
        path,
        problem: 'it has a line of more than a million characters',
      });
    yield* parts;
  }
  if (rest !== '') yield rest;
}

/**
 * The bytes of a file that is plain or gzip, plain.
 * @param path for messages
 * @throws GleanerError FILE_UNREADABLE where a gzip file is damaged
 */
export async function* plain(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  async function* all(): AsyncGenerator<Uint8Array> {
    yield first.value as Uint8Array;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all();
    return;
  }
  try {
    const gunzip = createGunzip();
    // An error of the file ends the gunzip too, which then throws it.
    pipeline(Readable.from(all()), gunzip, () => undefined);
    for await (const bytes of gunzip) yield bytes as Uint8Array;
  } catch (cause) {
    throw new GleanerError('FILE_UNREADABLE', { path, problem: 'it is no whole gzip file' }, { cause });
  }
}
