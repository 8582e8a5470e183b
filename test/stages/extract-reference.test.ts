import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseWat, readWarc } from '../../src/formats/index.ts';
import { dedup } from '../../src/stages/dedup.ts';
import { extract } from '../../src/stages/extract.ts';
import { readPairs } from '../../src/stages/tables.ts';
import { fileStorage, streamFile } from '../../src/storage/index.ts';
import { collect, hasShared, sharedPath } from '../formats/support.ts';

/**
 * Unique pairs of the reference (Python: urljoin, text as written) that come out otherwise here, by class. All other
 * pairs of all files are the same, character by character. Those with another URL stand one by one in
 * extract-reference.urls.json, as text, URL of the reference, URL by WHATWG's rules (null: none).
 */
const DIFFERENT: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'genuine/wat-18.warc': { 'character references decoded': 1 },
  'genuine/wat.warc': { 'host in lower case': 1 },
  'generated/debian-handbook.warc.wat.gz': {
    'empty path segments kept': 52,
    'white space folded': 22,
    NFC: 1,
  },
  'generated/gutenberg-18304.warc.wat.gz': { 'white space folded': 36 },
  'generated/kiwix-with-redirects.warc.wat.gz': { 'white space folded': 1 },
  // No browser fetches an empty src (HTML, 4.8.4.3.5); urljoin makes the page itself of it.
  'generated/mdn-learning-area.warc.wat.gz': { 'empty src': 3 },
  'generated/skimage-doc.warc.wat.gz': { 'white space folded': 4 },
};

interface Expected {
  readonly metadata_records: number;
  readonly img_links: number;
  readonly img_with_alt: number;
  readonly http_pairs: number;
  readonly unique_http_pairs: number;
  readonly sha256_pairs: string;
}

interface Reference {
  readonly raw: string;
  readonly url: string;
  readonly text: string;
}

const EVERYTHING = {
  minTextChars: 1,
  maxTextChars: null,
  minTextWords: 1,
  languages: null,
  maxRecordBytes: 64 << 20,
};

const OTHER_URLS: Readonly<Record<string, readonly (readonly [string, string, string | null])[]>> =
  JSON.parse(readFileSync(join(import.meta.dirname, 'extract-reference.urls.json'), 'utf8'));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-reference-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(!hasShared)(
  'every file in ../shared/data/wat against the reference reader (skipped without it)',
  () => {
    const files: Record<string, Expected> = hasShared
      ? JSON.parse(readFileSync(sharedPath('peers/extract/expected-counts.json'), 'utf8')).files
      : {};

    test.each(Object.entries(files))('%s', async (name, expected) => {
      const path = sharedPath(`data/wat/${name}`);
      const storage = fileStorage(folder);
      const ctx = { storage, signal: new AbortController().signal, progress: () => undefined };
      const buckets = 1;
      const { ledgers } = await extract(
        { wat: path, index: 0, buckets },
        EVERYTHING,
        (file) => streamFile(file),
        ctx,
      );
      const pairs = await collect(readPairs(storage, 'pairs/00000.parquet'));
      const { facts } = await dedup({ bucket: 0, buckets, pairFiles: ['pairs/00000.parquet'] }, ctx);

      const reference = await referencePairs(path);
      expect(digest(reference)).toBe(expected.sha256_pairs);
      expect(reference.length).toBe(expected.http_pairs);

      const empty = reference.filter(({ raw }) => raw === '');
      expect(ledgers.record).toEqual({
        in: expected.metadata_records,
        out: expected.metadata_records,
        dropped: {},
      });
      expect(ledgers.link?.in).toBe(expected.img_links);
      expect(ledgers.link?.dropped.no_text ?? 0).toBe(expected.img_links - expected.img_with_alt);
      expect(ledgers.link?.dropped.no_url ?? 0).toBe(empty.length);
      expect(ledgers.link?.dropped.url_scheme ?? 0).toBe(expected.img_with_alt - expected.http_pairs);
      expect(ledgers.pair).toEqual({ in: pairs.length, out: pairs.length, dropped: {} });
      expect(pairs.length).toBe(expected.http_pairs - empty.length);
      expect(facts?.rows).toBe(expected.unique_http_pairs - new Set(empty.map(key)).size);

      const classes = new Map<string, Set<string>>();
      const note = (what: string, pair: Reference) =>
        classes.set(what, (classes.get(what) ?? new Set()).add(key(pair)));
      const otherUrls = new Map<string, readonly [string, string, string | null]>();
      for (const pair of empty) {
        note('empty src', pair);
        otherUrls.set(key(pair), [pair.text, pair.url, null]);
      }
      for (const [i, pair] of reference.filter(({ raw }) => raw !== '').entries()) {
        const ours = pairs[i];
        if (ours?.url !== pair.url) {
          note(urlClass(pair.url, ours?.url ?? ''), pair);
          otherUrls.set(key(pair), [pair.text, pair.url, ours?.url ?? null]);
        }
        if (ours?.text !== pair.text) note(textClass(pair.text, ours?.text ?? ''), pair);
      }
      expect(Object.fromEntries([...classes].map(([what, set]) => [what, set.size]))).toEqual(
        DIFFERENT[name] ?? {},
      );
      const listed = [...otherUrls].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, urls]) => urls);
      expect(listed).toEqual(OTHER_URLS[name] ?? []);
    });
  },
);

const key = ({ url, text }: Reference) => `${url}\0${text}\n`;

function digest(pairs: readonly Reference[]): string {
  const lines = [...new Set(pairs.map(key))].map((line) => Buffer.from(line)).sort(Buffer.compare);
  return createHash('sha256').update(Buffer.concat(lines)).digest('hex');
}

function urlClass(theirs: string, ours: string): string {
  if (theirs.replace(/#.*/s, '') === ours) return 'fragment removed';
  if (theirs.toLowerCase() === ours.toLowerCase()) return 'host in lower case';
  if (theirs === ours.replace(/([^:/])\/+/g, '$1/')) return 'empty path segments kept';
  return 'another URL';
}

function textClass(theirs: string, ours: string): string {
  const folded = theirs.replace(/\s+/g, ' ').trim();
  if (folded === ours) return 'white space folded';
  if (folded.normalize('NFC') === ours) return 'NFC';
  if (/&[#\w]+;/.test(theirs)) return 'character references decoded';
  return 'another text';
}

/** Rules 3 to 9 of expected-counts.json. That they are followed is proved by the digest of rule 11. */
async function referencePairs(path: string): Promise<Reference[]> {
  const found: Reference[] = [];
  for await (const record of readWarc(streamFile(path), {
    path,
    fileKind: 'WAT',
    maxRecordBytes: 64 << 20,
  })) {
    if (record.kind !== 'record' || record.type !== 'metadata') continue;
    const page = parseWat(record.payload);
    if (!page.kept) continue;
    const base = page.value.base === undefined ? page.value.url : urljoin(page.value.url, page.value.base);
    for (const link of page.value.links) {
      if (link.path !== 'IMG@/src' || link.url === undefined || !link.alt) continue;
      const url = /^https?:\/\//.test(link.url) ? link.url : urljoin(base, link.url);
      if (/^https?:\/\//.test(url)) found.push({ raw: link.url, url, text: link.alt });
    }
  }
  return found;
}

/** Python's urllib.parse.urljoin, for http URLs: RFC 3986, 5.2, but empty path segments within a path vanish. */
function urljoin(base: string, url: string): string {
  if (base === '' || url === '') return url || base;
  const parse = (s: string) =>
    /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/is.exec(s) ?? [];
  const [, baseScheme = '', baseHost = '', basePath = '', baseQuery = ''] = parse(base);
  const [, scheme = baseScheme, host, path = '', query, fragment = ''] = parse(url.trim());
  if (scheme !== baseScheme || !/^https?$/i.test(scheme)) return url;
  if (host !== undefined) return `${scheme}:${url.trim().slice(url.trim().indexOf('//'))}`;
  if (path === '') return `${scheme}://${baseHost}${basePath}${query ?? baseQuery}${fragment}`;
  const before = basePath.split('/');
  if (before.at(-1) !== '') before.pop();
  const parts = path.startsWith('/') ? path.split('/') : [...before, ...path.split('/')];
  const segments = [...parts.slice(0, 1), ...parts.slice(1, -1).filter(Boolean), ...parts.slice(1).slice(-1)];
  const resolved: string[] = [];
  for (const segment of segments) {
    if (segment === '..') resolved.pop();
    else if (segment !== '.') resolved.push(segment);
  }
  if (/^\.\.?$/.test(segments.at(-1) ?? '')) resolved.push('');
  const joined = resolved.join('/') || '/';
  return `${scheme}://${baseHost}${joined.startsWith('/') ? '' : '/'}${joined}${query ?? ''}${fragment}`;
}
