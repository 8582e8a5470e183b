import { isUtf8 } from 'node:buffer';
import { dropped, kept, type Outcome } from '../schema/index.ts';

/** The URL to ask for: http or https, without fragment and credentials. */
export function parseTarget(text: string): Outcome<URL> {
  const url = URL.parse(text);
  if (!url) return dropped('no_url', text.slice(0, 40));
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return dropped('url_scheme', url.protocol.slice(0, 40));
  // Setting them, even to nothing, parses the whole URL again.
  if (url.hash !== '' || url.href.endsWith('#')) url.hash = '';
  if (url.username !== '') url.username = '';
  if (url.password !== '') url.password = '';
  return kept(url);
}

/**
 * Where a redirect leads, without fragment and credentials.
 * @param location Location's value, one character a byte
 * @returns dropped with 'redirects' where it leads to no web URL
 */
export function parseRedirect(location: string | undefined, base: string | URL): Outcome<URL> {
  if (location === undefined) return dropped('redirects', 'no Location');
  // Servers write UTF-8 without percent-encoding, and browsers read it so.
  const bytes = Buffer.from(location, 'latin1');
  const target = URL.parse(isUtf8(bytes) ? bytes.toString() : location, base);
  const parsed = target ? parseTarget(target.href) : dropped('redirects', '');
  // A scheme that cannot be fetched is here not a fault of the link, but of the answer.
  return parsed.kept
    ? parsed
    : dropped('redirects', `to ${target ? target.protocol.slice(0, 40) : 'no URL'}`);
}
