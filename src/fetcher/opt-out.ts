import { hash } from 'node:crypto';
import { HashSet, listEntries } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { failure, type Interceptor } from './exchange.ts';
import { usage } from './options.ts';

/**
 * Hosts and URLs whose owners do not want to be asked. An entry is one of
 * - a host, 'example.com', and its subdomains;
 * - a prefix of URLs, 'https://example.com/private/';
 * - the SHA-256 of a URL in 64 hexadecimal digits: of its form as browsers write it, without fragment.
 */
export class OptOut {
  readonly #hosts = new HashSet();
  readonly #hashes = new HashSet();
  #prefixes: string[] = [];
  #sorted = true;

  /** @returns false where `entry` is none */
  add(entry: string): boolean {
    if (/^[0-9a-f]{64}$/i.test(entry)) {
      this.#hashes.add(entry.toLowerCase());
      return true;
    }
    const isPrefix = /^https?:\/\//i.test(entry);
    const url = URL.parse(isPrefix ? entry : `http://${entry.replace(/^\*?\./, '')}`);
    if (!url?.hostname || (!isPrefix && /[/?#@:]/.test(entry))) return false;
    if (isPrefix) {
      url.hash = '';
      this.#prefixes.push(url.href);
      this.#sorted = false;
    } else this.#hosts.add(url.hostname.replace(/\.$/, ''));
    return true;
  }

  has(url: URL): boolean {
    return this.#hasHost(url.hostname) || this.#hasPrefix(url.href) || this.#hasHash(url.href);
  }

  #hasHost(hostname: string): boolean {
    if (this.#hosts.size === 0) return false;
    // a.b.c: a.b.c, b.c and c.
    const labels = hostname.replace(/\.$/, '').split('.');
    return labels.some((_, at) => this.#hosts.has(labels.slice(at).join('.')));
  }

  #hasPrefix(href: string): boolean {
    if (!this.#sorted) this.#sort();
    // None is a prefix of another, so that only the last that is not behind `href` can be one of it.
    let [low, high] = [0, this.#prefixes.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#prefixes[middle] ?? '') <= href) low = middle + 1;
      else high = middle;
    }
    const prefix = this.#prefixes[low - 1];
    return prefix !== undefined && href.startsWith(prefix);
  }

  #sort(): void {
    const kept: string[] = [];
    for (const prefix of this.#prefixes.sort()) {
      const before = kept.at(-1);
      if (before === undefined || !prefix.startsWith(before)) kept.push(prefix);
    }
    this.#prefixes = kept;
    this.#sorted = true;
  }

  #hasHash(href: string): boolean {
    return this.#hashes.size > 0 && this.#hashes.has(hash('sha256', href));
  }
}

/** @throws GleanerError USAGE for an entry that is none */
export function optOutOf(entries: readonly string[]): OptOut {
  const optOut = new OptOut();
  for (const entry of entries)
    if (!optOut.add(entry))
      throw usage(
        `optOut: ${entry} is neither a host, as example.com, nor a prefix of http or https URLs, nor the SHA-256 of a URL.`,
      );
  return optOut;
}

/**
 * Reads opt-out lists, plain or gzip, one entry a line, '#' comments.
 * @param entries further ones
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, USAGE
 */
export async function readOptOut(
  paths: readonly string[],
  open: (path: string) => AsyncIterable<Uint8Array>,
  entries: readonly string[] = [],
): Promise<OptOut> {
  const optOut = optOutOf(entries);
  for (const path of paths)
    for await (const { text, line } of listEntries(path, open(path)))
      if (!optOut.add(text))
        throw new GleanerError('FILE_UNREADABLE', {
          path,
          problem: `line ${line} is no entry of an opt-out list: ${JSON.stringify(text.slice(0, 80))}`,
        });
  return optOut;
}

export function honourOptOut(optOut: OptOut): Interceptor {
  return (next) => async (request) =>
    optOut.has(request.url) ? failure('opt_out', request.url.hostname) : next(request);
}
