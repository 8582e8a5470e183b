/**
 * Why a pair of the reference reader (Python: urljoin, text as written) comes out otherwise here. Each rule is written
 * anew from its specification and does one thing, so that a difference is explained only where named rules, and
 * nothing else, lead from what the reference has to what gleaner has.
 */

/** A link as both readers see it. */
export interface LinkSeen {
  /** As the reference reads it out of the record. */
  readonly raw: { readonly url: string; readonly text: string };
  /** What the reference makes of it. */
  readonly theirs: { readonly url: string; readonly text: string };
  /** What relative URLs start from by the reference's rule. */
  readonly base: string;
  /** What gleaner makes of it. `url` undefined: dropped. */
  readonly ours: { readonly url: string | undefined; readonly text: string };
  /** Whether the file was made by a generator that left character references in. */
  readonly carriesEntities: boolean;
}

type Step = readonly [rule: string, apply: (value: string) => string];

/** HTML 4.8.4.3.5: no browser fetches an empty src; urljoin makes the page itself of it. */
const EMPTY_SOURCE = 'empty src is none';
/** RFC 3986, 5.2.4 leaves them; urljoin takes out all but the last, and only of relative URLs. */
const EMPTY_SEGMENTS = 'empty path segments kept';

const TEXT_STEPS: readonly Step[] = [
  ['lone surrogates are U+FFFD', (text) => text.replace(/\p{Surrogate}/gu, '\ufffd')],
  ['Unicode NFC', (text) => text.normalize('NFC')],
  [
    'white space folded',
    (text) =>
      text
        .split(/[\s[\p{Cc}--[\u0080-\u009f]]]+/v)
        .filter(Boolean)
        .join(' '),
  ],
];

/** URL Standard, 4.4, in the order of its parser; each takes a URL as the one before left it. */
const URL_STEPS: readonly Step[] = [
  ['blanks and control characters at the ends removed', (url) => url.replace(/^[\0- ]+|[\0- ]+$/g, '')],
  ['tabs and line ends removed', (url) => url.replace(/[\t\n\r]/g, '')],
  ['fragment removed', (url) => url.replace(/#.*$/s, '')],
  ['scheme in lower case', (url) => url.replace(/^https?:/i, (scheme) => scheme.toLowerCase())],
  ['backslashes are slashes', (url) => url.replace(/^[^?]*/, (before) => before.replaceAll('\\', '/'))],
  ['more than two slashes before the host', (url) => url.replace(/^(https?:)\/*/, '$1//')],
  ['host in lower case', (url) => inHost(url, (host) => host.replace(/[A-Z]+/g, (s) => s.toLowerCase()))],
  [
    'default port removed',
    (url) => url.replace(/^(http:\/\/[^/?]*):80(?=[/?]|$)|^(https:\/\/[^/?]*):443(?=[/?]|$)/, '$1$2'),
  ],
  ['empty port removed', (url) => inHost(url, (host) => host.replace(/:$/, ''))],
  ['empty path is /', (url) => url.replace(/^(https?:\/\/[^/?]+)(?=\?|$)/, '$1/')],
  ['dot segments resolved', (url) => inPath(url, removeDotSegments)],
  [
    'path percent-encoded',
    (url) => inPath(url, (path) => percentEncode(path, /[\0-\x20"<>^`{}\x7f-\u{10ffff}]/gu)),
  ],
  [
    'query percent-encoded',
    (url) => inQuery(url, (query) => percentEncode(query, /[\0-\x20"'<>\x7f-\u{10ffff}]/gu)),
  ],
];

/**
 * The rules that make the difference, none where there is none.
 * @returns undefined where no rule that is known here explains it
 */
export function explain(link: LinkSeen): readonly string[] | undefined {
  const rules: string[] = [];
  const raw = { ...link.raw };
  let { url, text } = link.theirs;
  if (link.carriesEntities) {
    const decoded = { url: decode(raw.url), text: decode(raw.text) };
    if (decoded.url !== raw.url || decoded.text !== raw.text) rules.push('character references decoded');
    if (decoded.url !== raw.url) url = absolute(decoded.url) ? decoded.url : resolve(link.base, decoded.url);
    ({ text, url: raw.url } = { text: decoded.text, url: decoded.url });
  }
  text = follow(TEXT_STEPS, text, link.ours.text, rules);
  if (text !== link.ours.text) return undefined;
  if (/^[\0- ]*$/.test(raw.url)) return link.ours.url === undefined ? [...rules, EMPTY_SOURCE] : undefined;
  if (link.ours.url === undefined) return text === '' ? rules : undefined;
  if (!absolute(raw.url)) {
    const whole = resolve(link.base, raw.url);
    if (whole !== url && withoutEmptySegments(whole) === withoutEmptySegments(url)) {
      rules.push(EMPTY_SEGMENTS);
      url = whole;
    }
  }
  url = follow(URL_STEPS, url, link.ours.url, rules);
  return url === link.ours.url ? rules : undefined;
}

/** Takes one step after another until `goal` is reached, and notes those that changed something. */
function follow(steps: readonly Step[], from: string, goal: string, rules: string[]): string {
  let value = from;
  for (const [rule, apply] of steps) {
    if (value === goal) break;
    const next = apply(value);
    if (next !== value) rules.push(rule);
    value = next;
  }
  return value;
}

function absolute(url: string): boolean {
  return /^https?:\/\//.test(url);
}

/** The five parts of RFC 3986, appendix B; undefined for one that is not there. */
function parts(url: string) {
  const [, scheme, authority, path = '', query, fragment] =
    /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(url) ?? [];
  return { scheme, authority, path, query, fragment };
}

/** RFC 3986, 5.2.2, of a reference to a http URL. */
function resolve(base: string, reference: string): string {
  const [from, to] = [parts(base), parts(reference.trim())];
  if (to.scheme !== undefined) return reference;
  const tail = to.fragment === undefined ? '' : `#${to.fragment}`;
  if (to.authority !== undefined)
    return `${from.scheme}://${to.authority}${to.path}${to.query === undefined ? '' : `?${to.query}`}${tail}`;
  const query = to.query ?? (to.path === '' ? from.query : undefined);
  const merged = to.path.startsWith('/') ? to.path : `${from.path.replace(/[^/]*$/, '') || '/'}${to.path}`;
  const path = to.path === '' ? from.path : removeDotSegments(merged);
  return `${from.scheme}://${from.authority ?? ''}${path}${query === undefined ? '' : `?${query}`}${tail}`;
}

/** RFC 3986, 5.2.4; a dot may be written %2e, too (URL Standard, 4.3). */
function removeDotSegments(path: string): string {
  const out: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [i, segment] of segments.entries()) {
    const dots = segment.replace(/%2e/gi, '.');
    const last = i === segments.length - 1;
    if (dots === '..') out.pop();
    if (dots !== '..' && dots !== '.') out.push(segment);
    else if (last) out.push('');
  }
  return `/${out.join('/')}`;
}

function withoutEmptySegments(url: string): string {
  return inPath(url, (path) => path.replace(/\/+/g, '/'));
}

function inHost(url: string, change: (host: string) => string): string {
  return url.replace(/^(https?:\/\/(?:[^/?#@]*@)?)([^/?#]*)/, (_, before, host) => before + change(host));
}

function inPath(url: string, change: (path: string) => string): string {
  return url.replace(
    /^(https?:\/\/[^/?#]*)(\/[^?#]*)/,
    (_, before: string, path: string) => before + change(path),
  );
}

function inQuery(url: string, change: (query: string) => string): string {
  return url.replace(/\?([^#]*)/s, (_, query: string) => `?${change(query)}`);
}

function percentEncode(text: string, set: RegExp): string {
  return text
    .toWellFormed()
    .replace(set, (character) =>
      Buffer.from(character).reduce(
        (all, byte) => `${all}%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
        '',
      ),
    );
}

/** The references that old generators left in most: numbers, and the five of XML. */
function decode(text: string): string {
  const names: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot|apos));/gi, (_, decimal, hex, name) =>
    name
      ? (names[name.toLowerCase()] ?? '')
      : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16)),
  );
}
