import { createHash, hash } from 'node:crypto';
import { z } from 'zod';
import { DigestSet, readLines } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { domainsOf, listedDomain, listedUrl, withoutFragment } from './addresses.ts';

/** By what a takedown names pairs. */
export const TAKEDOWN_KINDS = ['url', 'domain', 'sha256', 'uid'] as const;
export type TakedownKind = (typeof TAKEDOWN_KINDS)[number];

/** Why and when something was taken down. */
interface Grounds {
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** What somebody asked to have taken down. */
export interface Takedown extends Grounds {
  readonly kind: TakedownKind;
  /** Hexadecimal: SHA-256 of the URL or of the domain, the SHA-256 of the bytes as fetched, or the uid. */
  readonly hash: string;
}

/** A pair that was taken down: what stays of it. */
export interface RemovedPair extends Grounds {
  readonly uid: string;
  /** SHA-256 of its URL, so that the same picture with another text is known; null where a uid named this text alone. */
  readonly url: string | null;
  /** Of the bytes as fetched; null where the pair was never kept. */
  readonly sha256: string | null;
  /** What named it. */
  readonly by: TakedownKind;
}

/** A tombstone file: what was taken down, in the order in which it was. */
export interface TombstoneList {
  readonly takedowns: readonly Takedown[];
  readonly pairs: readonly RemovedPair[];
}

/** Where the tombstones of a run lie in its folder. */
export const TOMBSTONES_FILE = 'removed.jsonl';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const uid = z.string().regex(/^[0-9a-f]{32}$/);
const grounds = { reason: z.string(), at: z.iso.datetime() };
const lineSchema = z.union([
  z.strictObject({ takedown: z.enum(['url', 'domain', 'sha256']), hash: digest, ...grounds }),
  z.strictObject({ takedown: z.literal('uid'), hash: uid, ...grounds }),
  z.strictObject({
    pair: uid,
    url: digest.nullable(),
    sha256: digest.nullable(),
    by: z.enum(TAKEDOWN_KINDS),
    ...grounds,
  }),
]);

/**
 * Reads a tombstone file.
 * @param path for messages
 * @throws GleanerError DAMAGED at a line that is none
 */
export async function readTombstones(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<TombstoneList> {
  const takedowns: Takedown[] = [];
  const pairs: RemovedPair[] = [];
  let number = 0;
  for await (const line of readLines(chunks, { name: path })) {
    number++;
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success)
      throw new GleanerError('DAMAGED', { path, problem: `line ${number} is no tombstone.` });
    const { data } = parsed;
    if ('pair' in data) {
      const { pair, ...rest } = data;
      pairs.push({ uid: pair, ...rest });
    } else {
      const { takedown: kind, ...rest } = data;
      takedowns.push({ kind, ...rest });
    }
  }
  return { takedowns, pairs };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of a tombstone file. */
export function formatTombstones({ takedowns, pairs }: TombstoneList): string {
  const lines = [
    ...takedowns.map(({ kind, hash: of, at, reason }) => ({ takedown: kind, hash: of, at, reason })),
    ...pairs.map(({ uid: pair, url, sha256, by, at, reason }) => ({ pair, url, sha256, by, at, reason })),
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/**
 * What a URL, a domain, a hash or a uid is kept as.
 * @returns undefined where `text` is none of that kind
 */
export function takedownHash(kind: TakedownKind, text: string): string | undefined {
  if (kind === 'uid') return /^[0-9a-f]{32}$/i.test(text) ? text.toLowerCase() : undefined;
  if (kind === 'sha256') return /^[0-9a-f]{64}$/i.test(text) ? text.toLowerCase() : undefined;
  const name = kind === 'url' ? listedUrl(text) : listedDomain(text);
  return name === undefined ? undefined : hash('sha256', name);
}

/** The SHA-256 of a URL as tombstones have it; null for what is none. */
export function urlHash(href: string): string | null {
  const url = URL.parse(href);
  return url && hash('sha256', withoutFragment(url));
}

/** What names a pair in the tables of a run. */
export interface NamedPair {
  readonly uid: string;
  readonly url: string;
  readonly page_url: string;
}

/** Tombstones, to be asked: of one file or of several. */
export class Tombstones {
  /** Pairs that were taken down, and uids that somebody named. */
  readonly uids: ReadonlySet<string>;
  readonly #urls = new DigestSet();
  readonly #domains = new DigestSet();
  readonly #bytes = new DigestSet();

  constructor(...lists: readonly TombstoneList[]) {
    const uids = new Set<string>();
    const sets = { url: this.#urls, domain: this.#domains, sha256: this.#bytes };
    for (const { takedowns, pairs } of lists) {
      for (const { kind, hash: of } of takedowns)
        if (kind === 'uid') uids.add(of);
        else sets[kind].add(Buffer.from(of, 'hex'));
      for (const pair of pairs) {
        uids.add(pair.uid);
        if (pair.url !== null) this.#urls.add(Buffer.from(pair.url, 'hex'));
      }
    }
    this.uids = uids;
  }

  /** Whether there are none. */
  get empty(): boolean {
    return this.uids.size + this.#urls.size + this.#domains.size + this.#bytes.size === 0;
  }

  /** What of a pair or of its redirects was taken down by URL or by domain. What is no URL is passed over. */
  namesUrl(...hrefs: readonly string[]): 'url' | 'domain' | undefined {
    if (this.#urls.size + this.#domains.size === 0) return undefined;
    for (const href of hrefs) {
      const url = href === '' ? null : URL.parse(href);
      if (!url) continue;
      if (this.#urls.size > 0 && this.#urls.has(hash('sha256', withoutFragment(url), 'buffer'))) return 'url';
      if (
        this.#domains.size > 0 &&
        domainsOf(url).some((name) => this.#domains.has(hash('sha256', name, 'buffer')))
      )
        return 'domain';
    }
    return undefined;
  }

  /** Whether a row of a table names what was taken down. */
  names({ uid: of, url, page_url }: NamedPair): boolean {
    return this.uids.has(of) || this.namesUrl(url, page_url) !== undefined;
  }

  /** Whether bytes, as fetched, were taken down. */
  hasBytes(bytes: Uint8Array): boolean {
    return this.#bytes.size > 0 && this.#bytes.has(createHash('sha256').update(bytes).digest());
  }

  /** The same by their SHA-256 in hexadecimal digits; '' is none. */
  hasSha256(sha256: string): boolean {
    return this.#bytes.size > 0 && sha256 !== '' && this.#bytes.has(Buffer.from(sha256, 'hex'));
  }
}
