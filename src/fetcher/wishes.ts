import type { IncomingHttpHeaders } from 'node:http';
import { failure, headerList, type Interceptor } from './exchange.ts';

/** What closes an image to a dataset: noai and noimageai (DeviantArt, 2022), the rest from Google's X-Robots-Tag. */
const CLOSING = new Set(['noai', 'noimageai', 'noindex', 'noimageindex', 'none']);

/** Rules that have a value after a colon, which would otherwise look like the name of a crawler. */
const VALUED = new Set(['unavailable_after', 'max-snippet', 'max-image-preview', 'max-video-preview']);

/**
 * What the head of a response says against using its body.
 * @param token our product token: 'gleaner: noai' speaks to gleaner alone, 'otherbot: noai' does not
 * @returns the rule that closes it, undefined where none does
 */
function closingRule(headers: IncomingHttpHeaders, token: string): string | undefined {
  // The header may come several times, and Node joins them with commas: a name goes for the rules up to the next.
  let addressed = true;
  for (const item of headerList(headers, 'x-robots-tag')) {
    const colon = item.indexOf(':');
    const name = colon < 0 ? '' : item.slice(0, colon).trim().toLowerCase();
    if (VALUED.has(name)) continue;
    if (colon >= 0) addressed = name === token.toLowerCase() || name === '*';
    const rule = item
      .slice(colon + 1)
      .trim()
      .toLowerCase();
    if (addressed && CLOSING.has(rule)) return rule;
  }
  // W3C TDM Reservation Protocol, 4.2: 1 reserves the rights of text and data mining.
  if (headerList(headers, 'tdm-reservation').includes('1')) return 'tdm-reservation';
  return undefined;
}

/** Leaves bodies unread whose heads say that they are not for us. */
export function honourHeaders(token: string): Interceptor {
  return (next) => (request) =>
    next({
      ...request,
      refuse: (head) => {
        const rule = closingRule(head.headers, token);
        return rule === undefined ? request.refuse?.(head) : failure('robots_header', rule);
      },
    });
}
