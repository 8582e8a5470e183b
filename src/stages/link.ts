import { mendMojibake, type WatPage } from '../formats/index.ts';
import { dropped, kept, type Outcome } from '../schema/index.ts';

/**
 * An alternative text as it is compared and stored: Unicode NFC, white space and ASCII control characters folded into
 * single blanks, none at the ends, lone surrogates replaced by U+FFFD. '' where nothing is left. The control
 * characters from U+0080 on stay: they are bytes of UTF-8 taken for Latin-1, and without them nothing can mend that.
 * @param repairMojibake mend it first
 */
export function normalizeText(text: string, repairMojibake = false): string {
  // Words in ASCII parted by single blanks, which most are, stay as they are.
  if (/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(text)) return text;
  return (repairMojibake ? mendMojibake(text) : text)
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\s[\p{Cc}--[\u0080-\u009f]]]+/gv, ' ')
    .trim();
}

/** What the relative URLs of a page start from. */
export interface PageBase {
  readonly url: URL;
  /** Scheme and host, as `https://example.org`; undefined where the scheme is not http or https, or a user is named. */
  readonly origin: string | undefined;
}

/** The base of a page (HTML, 2.4.3): its base element, resolved against its own URL. */
export function pageBase(page: WatPage): PageBase | undefined {
  const url = baseUrl(page);
  const plain = url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  return url && { url, origin: plain ? url.origin : undefined };
}

function baseUrl(page: WatPage): URL | undefined {
  const own = URL.parse(page.url) ?? undefined;
  if (page.base === undefined) return own;
  const base = URL.parse(page.base, own);
  // A base of data: or javascript: is none, by the book.
  return base && base.protocol !== 'data:' && base.protocol !== 'javascript:' ? base : own;
}

/*
 * Host and path as WHATWG's parser would write them: labels in lower case, none in Punycode, the last one no number;
 * nothing in a path or query that it would encode, no segment that begins with a dot, which might be one to remove.
 * Written out, they are told four times as fast as they are parsed.
 */
const HOST = '(?:(?!xn--)[a-z0-9][a-z0-9\\-]*\\.)+[a-z]{2,}';
const PATH = '(?:/(?!\\.|%2[eE])[\\w~!$&()*+,;=:@%.\\-]*)+(?:\\?[\\w~!$&()*+,;=:@%.\\/?\\-]*)?';
const PLAIN_URL = new RegExp(`^https?://${HOST}${PATH}$`);
/** Not `//host`. */
const PLAIN_PATH = new RegExp(`^(?!//)${PATH}$`);

/** The absolute URL of an image by WHATWG's rules, without fragment. Dropped: no_url, url_scheme. */
export function resolveImage(url: string | undefined, base: PageBase | undefined): Outcome<string> {
  if (url === undefined || url.trim() === '') return dropped('no_url', 'empty');
  if (PLAIN_URL.test(url)) return kept(url);
  if (base?.origin !== undefined && PLAIN_PATH.test(url)) return kept(base.origin + url);
  // What begins so needs no base, which would be parsed again each time.
  const resolved = /^https?:\/\//i.test(url) ? URL.parse(url) : URL.parse(url, base?.url);
  if (!resolved) return dropped('no_url', base ? 'illegal' : 'relative, and no page URL');
  if (resolved.protocol !== 'http:' && resolved.protocol !== 'https:')
    return dropped('url_scheme', resolved.protocol.slice(0, -1).slice(0, 40));
  if (resolved.href.includes('#')) resolved.hash = '';
  return kept(resolved.href);
}
