import { createHash, hash } from 'node:crypto';
import { DigestSet, listEntries, plain, readDelimited } from '../formats/index.ts';
import { type Dropped, dropped, GleanerError } from '../schema/index.ts';
import { domainsOf, listedDomain, listedUrl, withoutFragment } from './addresses.ts';
import { NearHashes } from './near-hashes.ts';

/** What the entries of a list of known content are, and the length of a digest in hexadecimal digits. */
const DIGITS = { md5: 32, sha1: 40, sha256: 64, phash: 16, url: 64, domain: 0 } as const;
export type KnownContentKind = keyof typeof DIGITS;

/** A list of known content, as a recipe names it. */
export interface KnownContentList {
  /** What a match is reported under. */
  readonly name: string;
  readonly path: string;
  readonly kind: KnownContentKind;
  /** Bits that a perceptual hash may differ in, 0 to 15. */
  readonly maxDistance: number;
  /** Column of a CSV or TSV file; null: the one with the name of the kind. */
  readonly column: string | null;
}

/** What was found on a list: all that is ever said of it. */
export interface KnownMatch {
  readonly list: string;
  readonly kind: KnownContentKind;
  /** Hexadecimal: the listed hash; of URLs and domains, the SHA-256. */
  readonly hash: string;
}

/**
 * Lists of known content. What is on one is dropped as `known_content`; the detail is a {@link KnownMatch} as
 * {@link parseMatch} reads it, for the restricted report alone. The first list of the recipe that has it counts.
 */
export interface KnownContent {
  /** By URLs of the image or its page, and the domains of these. Empty ones and what is no URL are passed over. */
  refuseUrl(...hrefs: readonly string[]): Dropped | undefined;
  /** By the bytes as fetched. */
  refuseBytes(bytes: Uint8Array): Dropped | undefined;
  /** By a perceptual hash (`perceptualHash`: 64-bit dHash), 16 hexadecimal digits. */
  refusePicture(phash: string): Dropped | undefined;
  /** Whether pictures have to be hashed before anything else is done with them. */
  readonly looksAtPictures: boolean;
}

interface LoadedList extends KnownContentList {
  readonly digests: DigestSet;
  readonly near: NearHashes;
}

const BYTE_KINDS = ['md5', 'sha1', 'sha256'] as const;

/**
 * Reads lists of known content: one entry a line with '#' comments, or CSV or TSV (by the file's name) with a header;
 * plain or gzip. Messages name line and file, never an entry.
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, DAMAGED
 */
export async function readKnownContent(
  lists: readonly KnownContentList[],
  open: (path: string) => AsyncIterable<Uint8Array>,
): Promise<KnownContent> {
  const loaded: LoadedList[] = [];
  for (const list of lists) {
    const into = { ...list, digests: new DigestSet(), near: new NearHashes() };
    for await (const { text, line } of entriesOf(list, open(list.path)))
      if (!addEntry(into, text))
        throw new GleanerError('FILE_UNREADABLE', {
          path: list.path,
          problem: `line ${line} is no entry of a list of kind ${list.kind}`,
        });
    loaded.push(into);
  }
  return knownContent(loaded);
}

function knownContent(lists: readonly LoadedList[]): KnownContent {
  const byUrl = lists.filter(({ kind }) => kind === 'url' || kind === 'domain');
  const byBytes = lists.filter(({ kind }) => BYTE_KINDS.some((one) => one === kind));
  const byPicture = lists.filter(({ kind }) => kind === 'phash');
  return {
    looksAtPictures: byPicture.length > 0,
    refuseUrl(...hrefs) {
      if (byUrl.length === 0) return undefined;
      const urls = hrefs.flatMap((href) => URL.parse(href) ?? []);
      for (const list of byUrl)
        for (const url of urls)
          for (const name of list.kind === 'url' ? [withoutFragment(url)] : domainsOf(url)) {
            const digest = hash('sha256', name, 'buffer');
            if (list.digests.has(digest)) return refuse(list, digest.toString('hex'));
          }
      return undefined;
    },
    refuseBytes(bytes) {
      const digests = new Map<string, Buffer>();
      for (const list of byBytes) {
        const digest = digests.get(list.kind) ?? createHash(list.kind).update(bytes).digest();
        digests.set(list.kind, digest);
        if (list.digests.has(digest)) return refuse(list, digest.toString('hex'));
      }
      return undefined;
    },
    refusePicture(phash) {
      for (const list of byPicture) {
        const found = list.near.nearest(phash, list.maxDistance);
        if (found !== undefined) return refuse(list, found);
      }
      return undefined;
    },
  };
}

function refuse({ name, kind }: KnownContentList, digest: string): Dropped {
  return dropped('known_content', `${kind} ${digest} ${name}`);
}

/** A match, from the detail of a drop as `known_content`; undefined where it is none. */
export function parseMatch(detail: string): KnownMatch | undefined {
  const [, kind = '', digest = '', list = ''] = /^(\w+) ([0-9a-f]+) (.+)$/s.exec(detail) ?? [];
  return isKind(kind) ? { list, kind, hash: digest } : undefined;
}

/** The detail that {@link parseMatch} reads. */
export function matchDetail({ list, kind, hash: digest }: KnownMatch): string {
  return `${kind} ${digest} ${list}`;
}

function isKind(kind: string): kind is KnownContentKind {
  return Object.hasOwn(DIGITS, kind);
}

/** @returns false where `text` is no entry of that kind */
function addEntry({ kind, digests, near }: LoadedList, text: string): boolean {
  if (/^[0-9a-f]+$/i.test(text) && text.length === DIGITS[kind]) {
    if (kind === 'phash') near.add(text.toLowerCase());
    else digests.add(Buffer.from(text, 'hex'));
    return true;
  }
  const name = kind === 'url' ? listedUrl(text) : kind === 'domain' ? listedDomain(text) : undefined;
  if (name === undefined) return false;
  digests.add(hash('sha256', name, 'buffer'));
  return true;
}

async function* entriesOf(
  { path, kind, column }: KnownContentList,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly text: string; readonly line: number }> {
  const [, extension] = /\.(csv|tsv)(?:\.gz)?$/i.exec(path) ?? [];
  if (!extension) {
    yield* listEntries(path, chunks);
    return;
  }
  const wanted = (column ?? kind).toLowerCase();
  const delimiter = extension.toLowerCase() === 'csv' ? ',' : '\t';
  let at: number | undefined;
  for await (const { fields, line } of readDelimited(plain(path, chunks), { delimiter, name: path })) {
    if (fields[0]?.startsWith('#')) continue;
    if (at === undefined) {
      at = fields.findIndex((field) => field.trim().toLowerCase() === wanted);
      if (at < 0)
        throw new GleanerError('FILE_UNREADABLE', {
          path,
          problem: `its header names no column '${wanted}'`,
        });
      continue;
    }
    const text = (fields[at] ?? '').trim();
    if (text !== '') yield { text, line };
  }
}
