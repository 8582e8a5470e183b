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

/** What the relative URLs of a page start from (HTML, 2.4.3): its base element, resolved against its own URL. */
export function pageBase(page: WatPage): URL | undefined {
  const own = URL.parse(page.url) ?? undefined;
  if (page.base === undefined) return own;
  const base = URL.parse(page.base, own);
  // A base of data: or javascript: is none, by the book.
  return base && base.protocol !== 'data:' && base.protocol !== 'javascript:' ? base : own;
}

/** The absolute URL of an image by WHATWG's rules, without fragment. Dropped: no_url, url_scheme. */
export function resolveImage(url: string | undefined, base: URL | undefined): Outcome<string> {
  if (url === undefined || url.trim() === '') return dropped('no_url', 'empty');
  // What begins so needs no base, which would be parsed again each time.
  const resolved = /^https?:\/\//i.test(url) ? URL.parse(url) : URL.parse(url, base);
  if (!resolved) return dropped('no_url', base ? 'illegal' : 'relative, and no page URL');
  if (resolved.protocol !== 'http:' && resolved.protocol !== 'https:')
    return dropped('url_scheme', resolved.protocol.slice(0, -1).slice(0, 40));
  if (resolved.href.includes('#')) resolved.hash = '';
  return kept(resolved.href);
}
