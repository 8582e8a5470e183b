import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { dropped, GleanerError } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';
import { HashSet } from './hash-set.ts';

/** Opens a file that the recipe names. @throws GleanerError FILE_NOT_FOUND */
export type OpenFile = (path: string) => AsyncIterable<Uint8Array>;

/** Drops pairs whose image lies at a host of these lists, or below one: 'example.com' is 'www.example.com' too. */
export async function hostBlocklist(paths: readonly string[], open: OpenFile): Promise<PairFilter> {
  const hosts = await readList(paths, open, (line) => hostOf(`http://${line.replace(/^\*?\./, '')}/`));
  return ({ url }) => {
    let host = hostOf(url) ?? '';
    for (;;) {
      if (hosts.has(host)) return dropped('blocked_host', host);
      const dot = host.indexOf('.');
      if (dot < 0) return undefined;
      host = host.slice(dot + 1);
    }
  };
}

/** Drops pairs whose image URL stands in these lists; both are compared as browsers write them, without fragment. */
export async function urlBlocklist(paths: readonly string[], open: OpenFile): Promise<PairFilter> {
  const urls = await readList(paths, open, (line) => {
    const url = URL.parse(line);
    if (url) url.hash = '';
    return url?.href;
  });
  return ({ url }) => (urls.has(url) ? dropped('blocked_url', '') : undefined);
}

function hostOf(url: string): string | undefined {
  return URL.parse(url)?.hostname.replace(/\.$/, '');
}

/**
 * Reads lists with one entry a line, plain or gzip; blank lines and what follows a '#' at the front or behind white
 * space are left out.
 * @throws GleanerError FILE_UNREADABLE at a line that is none, or a gzip file that is damaged
 */
async function readList(
  paths: readonly string[],
  open: OpenFile,
  parse: (line: string) => string | undefined,
): Promise<HashSet> {
  const set = new HashSet();
  for (const path of paths) {
    let number = 0;
    for await (const line of lines(path, open(path))) {
      number++;
      const entry = line.replace(/(?:^|\s)#.*$/, '').trim();
      if (entry === '') continue;
      const parsed = parse(entry);
      if (parsed === undefined)
        throw new GleanerError('FILE_UNREADABLE', {
          path,
          problem: `line ${number} is no entry of this list: ${JSON.stringify(entry.slice(0, 80))}`,
        });
      set.add(parsed);
    }
  }
  return set;
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

async function* plain(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
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
