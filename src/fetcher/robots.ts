/** What a parser has to read at least (RFC 9309, 2.5), and what gleaner reads: 500 KiB, in bytes. */
export const MAX_ROBOTS_BYTES = 500 * 1024;

interface Rule {
  readonly allow: boolean;
  /** Normalised path pattern with '*' and a last '$'. */
  readonly pattern: string;
}

/** The rules of one robots.txt for one crawler. */
export class RobotsRules {
  /** The longest first, allow before disallow: so the first that matches decides. */
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.toSorted(
      (a, b) => b.pattern.length - a.pattern.length || Number(b.allow) - Number(a.allow),
    );
  }

  /** Characters that are kept. */
  get size(): number {
    return this.#rules.reduce((sum, { pattern }) => sum + pattern.length, 0);
  }

  allows(url: URL): boolean {
    if (url.pathname === '/robots.txt') return true;
    const path = normalise(url.pathname + url.search)
      .replaceAll('*', '%2A')
      .replaceAll('$', '%24');
    return this.#rules.find(({ pattern }) => matches(pattern, path))?.allow ?? true;
  }
}

/** No robots.txt, no rules. */
export const NO_RULES = new RobotsRules([]);

/**
 * Reads a robots.txt (RFC 9309): the groups for `token` together, or those for '*' where there is none.
 * @param bytes at most MAX_ROBOTS_BYTES of them are read; UTF-8, with or without a byte order mark
 * @param token our product token, in any case
 */
export function parseRobots(bytes: Uint8Array, token: string): RobotsRules {
  const own: Rule[] = [];
  const common: Rule[] = [];
  let ownGroup = false;
  let inOwn = false;
  let inCommon = false;
  let afterRule = true;
  for (const { key, value } of lines(bytes)) {
    if (key === 'user-agent') {
      // Agents in a row head one group; one that follows a rule begins the next.
      if (afterRule) inOwn = inCommon = afterRule = false;
      if (/^\*(\s|$)/.test(value)) inCommon = true;
      else if (/^[a-z_-]*/i.exec(value)?.[0].toLowerCase() === token.toLowerCase()) inOwn = ownGroup = true;
    } else if (key === 'allow' || key === 'disallow') {
      afterRule = true;
      if (value === '') continue;
      const rule = { allow: key === 'allow', pattern: normalisePattern(value) };
      if (inOwn) own.push(rule);
      if (inCommon) common.push(rule);
    }
  }
  return new RobotsRules(ownGroup ? own : common);
}

function* lines(bytes: Uint8Array): Generator<{ readonly key: string; readonly value: string }> {
  const cut = bytes.length > MAX_ROBOTS_BYTES;
  const all = new TextDecoder().decode(cut ? bytes.subarray(0, MAX_ROBOTS_BYTES) : bytes).split(/\r\n|\r|\n/);
  // Half a rule would close or open more than its author wrote.
  if (cut) all.pop();
  for (const line of all) {
    const text = line.split('#', 1)[0] ?? '';
    const colon = text.indexOf(':');
    if (colon < 0) continue;
    yield { key: text.slice(0, colon).trim().toLowerCase(), value: text.slice(colon + 1).trim() };
  }
}

function normalisePattern(value: string): string {
  const anchored = value.endsWith('$');
  const body = anchored ? value.slice(0, -1) : value;
  return normalise(body).replaceAll('$', '%24').replace(/\*+/g, '*') + (anchored ? '$' : '');
}

/**
 * One spelling for one path (RFC 9309, 2.2.2): unreserved characters (RFC 3986, 2.3) as they are, everything that
 * no URI may hold percent-encoded, reserved characters as they were written, digits of encodings in upper case.
 */
function normalise(path: string): string {
  return path
    .toWellFormed()
    .replace(/%[0-9a-f]{2}/gi, (encoded) => {
      const char = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
      return /[a-z0-9._~-]/i.test(char) ? char : encoded.toUpperCase();
    })
    .replace(/%(?![0-9A-F]{2})|[^a-z0-9._~:/?#[\]@!$&'()*+,;=%-]+/gi, (chars) => encodeURIComponent(chars));
}

/** Time is bound by the product of the lengths: pieces between stars are looked for from left to right, once. */
function matches(pattern: string, path: string): boolean {
  const anchored = pattern.endsWith('$');
  const pieces = (anchored ? pattern.slice(0, -1) : pattern).split('*');
  const first = pieces.shift() ?? '';
  if (!path.startsWith(first)) return false;
  let at = first.length;
  const last = pieces.pop();
  if (last === undefined) return !anchored || at === path.length;
  for (const piece of pieces) {
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return anchored ? path.length - last.length >= at && path.endsWith(last) : path.indexOf(last, at) >= 0;
}
