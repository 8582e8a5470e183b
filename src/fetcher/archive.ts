import { parseHttpResponse, readWarc, type WarcRecord } from '../formats/index.ts';
import { type Dropped, dropped, type FetchedImage, kept, type Outcome } from '../schema/index.ts';
import type { ByteSource } from '../storage/index.ts';
import { orAbort } from './abort.ts';
import { type ArchiveEntry, type ArchiveFile, type ArchiveIndex, indexArchive } from './archive-index.ts';
import { isRedirect } from './exchange.ts';
import type { ImageSource } from './source.ts';
import { parseRedirect, parseTarget } from './target.ts';

export type { ArchiveFile } from './archive-index.ts';

export interface ArchiveOptions {
  /** Largest body, its content encodings removed, in bytes. @default 20_971_520 */
  readonly maxBodyBytes?: number;
  /** Archived redirects that are followed for one image. @default 5 */
  readonly maxRedirects?: number;
  /** Asked of each URL, those of archived redirects too, before it is looked up. @default nothing is refused */
  readonly refuseUrl?: (href: string) => Dropped | undefined;
}

export interface ArchiveSource extends ImageSource {
  /** Stretches of the files that gave no record, because damaged or too large; 0 before the first `get`. */
  readonly damaged: number;
}

/** Room for the HTTP head, and for a body that is larger as sent than decoded. */
const RECORD_EXTRA_BYTES = 1024 * 1024;

/** A read of an archive: an image with its head, mostly. In bytes. */
const READ_BYTES = 1024 * 1024;

/**
 * Finds images in WARC files by their URL. The first `get` reads all files once; from then on each image is one
 * read of its place. Where the files hold a URL several times, the first answer with status 200 counts. `get`
 * rejects with GleanerError NOT_WARC where a file is no WARC file, and with what opening a file throws.
 */
export function createArchiveSource(
  files: readonly ArchiveFile[],
  options: ArchiveOptions = {},
): ArchiveSource {
  const { maxBodyBytes = 20 * 1024 * 1024, maxRedirects = 5, refuseUrl } = options;
  const maxRecordBytes = maxBodyBytes + RECORD_EXTRA_BYTES;
  const closing = new AbortController();
  const opened = new Map<ArchiveFile, ReturnType<ArchiveFile['source']>>();
  let index: Promise<ArchiveIndex> | undefined;
  let damaged = 0;

  const open = (file: ArchiveFile) => {
    const source = opened.get(file) ?? file.source();
    opened.set(file, source);
    return source;
  };

  const find = async (url: URL, entries: ArchiveIndex['entries']): Promise<Outcome<FetchedImage>> => {
    let href = url.href;
    const seen = new Set<string>();
    while (!seen.has(href)) {
      seen.add(href);
      const refused = refuseUrl?.(href);
      if (refused) return refused;
      const entry = entries.get(href);
      if (!entry) return dropped('not_archived', seen.size > 1 ? 'target of a redirect' : '');
      // Only an image or a redirect has something to read.
      if (typeof entry.status === 'number' && entry.status !== 200 && !isRedirect(entry.status))
        return dropped('http_status', `${entry.status}`);
      const record = await readEntry(entry, await open(entry.file), maxRecordBytes);
      if (!record) return dropped('body_broken', 'record is not where it was');
      const answer = parseAnswer(record, entry.status, href, maxBodyBytes);
      if (!answer.kept) return answer;
      if (answer.value.kind === 'image') return kept(answer.value.image);
      if (seen.size > maxRedirects) return dropped('redirects', `more than ${maxRedirects}`);
      href = answer.value.href;
    }
    return dropped('redirects', 'in a circle');
  };

  return {
    get damaged() {
      return damaged;
    },
    async get(text, signal) {
      closing.signal.throwIfAborted();
      signal?.throwIfAborted();
      const target = parseTarget(text);
      if (!target.kept) return target;
      index ??= indexArchive(files, maxRecordBytes, closing.signal);
      const { entries, damaged: found } = await orAbort(index, signal);
      damaged = found;
      return find(target.value, entries).catch((error: unknown) => {
        // A file that was closed under a read fails in its own words.
        closing.signal.throwIfAborted();
        throw error;
      });
    },
    async close() {
      closing.abort(new Error('The image source is closed.'));
      const sources = await Promise.allSettled(opened.values());
      opened.clear();
      for (const source of sources) if (source.status === 'fulfilled') await source.value.close?.();
    },
  };
}

async function readEntry(
  entry: ArchiveEntry,
  source: ByteSource,
  maxRecordBytes: number,
): Promise<WarcRecord | undefined> {
  const chunks = readRange(source, entry.offset, entry.end ?? source.byteLength);
  const options = { path: entry.file.name, fileKind: 'WARC', maxRecordBytes, start: entry.offset } as const;
  for await (const item of readWarc(chunks, options))
    if (item.kind === 'record' && item.offset === entry.offset && item.skip === entry.skip) return item;
  return undefined;
}

async function* readRange(source: ByteSource, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += READ_BYTES)
    yield new Uint8Array(await source.slice(at, Math.min(end, at + READ_BYTES)));
}

/** Longer heads are not believed. */
const MAX_HEAD_BYTES = 64 * 1024;

type Answer =
  | { readonly kind: 'image'; readonly image: FetchedImage }
  | { readonly kind: 'elsewhere'; readonly href: string };

function parseAnswer(
  record: WarcRecord,
  status: ArchiveEntry['status'],
  href: string,
  maxBodyBytes: number,
): Outcome<Answer> {
  if (record.type === 'revisit') {
    // The same content was archived before, there.
    const origin = parseTarget(record.headers.get('warc-refers-to-target-uri') ?? '');
    if (!origin.kept || origin.value.href === href) return dropped('not_archived', 'revisit');
    return kept({ kind: 'elsewhere', href: origin.value.href });
  }
  if (record.type === 'resource') {
    if (record.payload.length > maxBodyBytes) return dropped('body_large', `${record.payload.length} bytes`);
    return kept(image(record, record.payload, href, record.headers.get('content-type')));
  }
  if (typeof status === 'number' && isRedirect(status)) {
    const target = parseRedirect(locationOf(record.payload), href);
    return target.kept ? kept({ kind: 'elsewhere', href: target.value.href }) : target;
  }
  const response = parseHttpResponse(record.payload, { maxBodyBytes });
  if (!response.kept) return response;
  return kept(image(record, response.value.body, href, response.value.headers.get('content-type')));
}

/** Of a redirect, whose body may be damaged or missing: crawlers do not always keep it. One character a byte. */
function locationOf(payload: Uint8Array): string | undefined {
  const text = Buffer.from(payload.subarray(0, MAX_HEAD_BYTES)).toString('latin1');
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  return /^location:(.*)$/im.exec(head)?.[1]?.trim();
}

function image(record: WarcRecord, bytes: Uint8Array, finalUrl: string, contentType = ''): Answer {
  const fetchedAt = warcDate(record.headers.get('warc-date'));
  return { kind: 'image', image: { bytes, finalUrl, contentType, fetchedAt } };
}

/** WARC 1.1, 5.4: W3C's profile of ISO 8601 in UTC, to the second or finer. */
function warcDate(value = ''): number | undefined {
  const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : date;
}
