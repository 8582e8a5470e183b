import { failure, type Interceptor } from './exchange.ts';
import { usage } from './options.ts';

/**
 * Hosts and URL prefixes whose owners do not want to be asked.
 * @param entries 'example.com' (and its subdomains), or a prefix of URLs that begins with 'http://' or 'https://'
 * @throws GleanerError USAGE for an entry that is neither
 */
export function createOptOut(entries: readonly string[]): (url: URL) => boolean {
  const hosts = new Set<string>();
  const prefixes = new Map<string, string[]>();
  for (const entry of entries) {
    const isPrefix = /^https?:\/\//i.test(entry);
    const url = URL.parse(isPrefix ? entry : `http://${entry}`);
    if (!url?.hostname || (!isPrefix && /[/?#@:]/.test(entry)))
      throw usage(`optOut: ${entry} is neither a host, as example.com, nor a prefix of http or https URLs.`);
    if (isPrefix) prefixes.set(url.origin, [...(prefixes.get(url.origin) ?? []), url.href]);
    else hosts.add(url.hostname);
  }
  return (url) =>
    prefixes.get(url.origin)?.some((prefix) => url.href.startsWith(prefix)) === true ||
    (hosts.size > 0 && parents(url.hostname).some((host) => hosts.has(host)));
}

/** a.b.c: a.b.c, b.c and c. */
function parents(hostname: string): string[] {
  const labels = hostname.replace(/\.$/, '').split('.');
  return labels.map((_, at) => labels.slice(at).join('.'));
}

export function honourOptOut(isOptedOut: (url: URL) => boolean): Interceptor {
  return (next) => async (request) =>
    isOptedOut(request.url) ? failure('opt_out', request.url.hostname) : next(request);
}
