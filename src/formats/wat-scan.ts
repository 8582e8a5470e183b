import {
  BACKSLASH,
  CLOSE,
  CLOSE_LIST,
  COLON,
  COMMA,
  hidesPath,
  IMAGE_PATH,
  isCanonical,
  isImagePath,
  linkField,
  MARK,
  OPEN,
  OPEN_LIST,
  QUOTE,
} from './json-bytes.ts';
import { JsonWalker } from './json-walk.ts';

/** A link in a scanned record. The field names are those of `WatLink`. */
export interface ScannedLink {
  readonly path: string;
  readonly url: string | undefined;
  readonly alt: string | undefined;
  readonly rel: string | undefined;
}

/** What `scanImages` found. */
export interface ScannedPage {
  /** Target URI of the record; '' where it has none. */
  readonly url: string;
  readonly base: string | undefined;
  /** The links whose path is `IMG@/src`, in their order; with `everyLink`, all links. */
  readonly links: readonly ScannedLink[];
  /** The page's head as JSON; only with `everyLink`. */
  readonly head: unknown;
}

type Field = 'url' | 'arcUrl' | 'base' | 'links';
/** A name that matters, and what it leads to. */
interface Place {
  readonly name: Buffer;
  readonly field?: Field;
  readonly inside: readonly Place[];
}

const place = (name: string, inside: readonly Place[] | Field): Place =>
  typeof inside === 'string'
    ? { name: Buffer.from(name), field: inside, inside: [] }
    : { name: Buffer.from(name), inside };

const HEAD: readonly Place[] = [place('Base', 'base')];
const ROOT: readonly Place[] = [
  place('Envelope', [
    place('WARC-Header-Metadata', [place('WARC-Target-URI', 'url')]),
    place('ARC-Header-Metadata', [place('Target-URI', 'arcUrl')]),
    place('Payload-Metadata', [
      place('HTTP-Response-Metadata', [
        place('HTML-Metadata', [place('Head', HEAD), place('Links', 'links')]),
      ]),
    ]),
  ]),
];

/**
 * Reads the image links of a WAT record without parsing the list that they stand in: it jumps from one `IMG@/src` to
 * the next. Undefined where anything is not as generators write it; `parseWat` then reads the record. What it does
 * give is what a JSON parser gives, for every legal JSON text:
 *
 * - All that is not the list is walked token by token, from the first brace to the last. The list's end is taken to be
 *   the first `}]`; the walk goes on from there. If that lay inside a string, or at another depth, the walk could not
 *   reach the end of the record with all quotes paired and all braces closed.
 * - No `[` in the list is a token (before one, white space aside, stands a colon after a quote, a comma or another
 *   `[`). So whatever object begins after a comma is an element of the list itself, and the `]` found is its end.
 * - An object is read forward from its brace. If it reaches the hit where a name begins, the brace is no part of a
 *   string: a quote that is not escaped, and is followed by a name and a colon, opens a string.
 * - `IMG@/src` written with escapes is looked for too, and sends the record to the parser.
 *
 * Of text that is not legal JSON, the part between image links is not looked at.
 */
export function scanImages(payload: Buffer, everyLink = false): ScannedPage | undefined {
  return new Scan(payload).page(everyLink);
}

class Scan {
  readonly #bytes: Buffer;
  readonly #walker: JsonWalker;
  #url: string | undefined;
  #arcUrl: string | undefined;
  #base: string | undefined;
  /** Between the brackets of the list of links. */
  #listStart = 0;
  #listEnd = 0;
  #headStart = 0;
  #headEnd = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#walker = new JsonWalker(bytes);
  }

  page(everyLink: boolean): ScannedPage | undefined {
    const bytes = this.#bytes;
    const start = this.#walker.space(0);
    if (bytes[start] !== OPEN) return undefined;
    const end = this.#object(start + 1, ROOT);
    if (end < 0 || this.#walker.space(end) !== bytes.length) return undefined;
    const links = everyLink ? this.#links() : this.#images();
    if (!links) return undefined;
    const head = everyLink && this.#headEnd > 0 ? this.#parse(this.#headStart, this.#headEnd) : undefined;
    return { url: this.#url ?? this.#arcUrl ?? '', base: this.#base, links, head };
  }

  /** From behind the opening brace to behind the closing one; -1 where it is odd, as in all of these. */
  #object(at: number, places: readonly Place[]): number {
    const bytes = this.#bytes;
    at = this.#walker.space(at);
    if (bytes[at] === CLOSE) return at + 1;
    let seen = 0;
    for (;;) {
      if (bytes[at] !== QUOTE) return -1;
      const name = at + 1;
      at = this.#walker.string(name);
      if (at < 0) return -1;
      const found = this.#find(places, name, at - 1);
      if (found === -2) return -1;
      at = this.#walker.space(at);
      if (bytes[at] !== COLON) return -1;
      at = this.#walker.space(at + 1);
      const known = found < 0 ? undefined : places[found];
      if (known) {
        // Of two members of one name, the last counts: let the parser see to it.
        if (seen & (1 << found)) return -1;
        seen |= 1 << found;
      }
      at = known ? this.#member(at, known) : this.#walker.value(at);
      if (at < 0) return -1;
      at = this.#walker.space(at);
      if (bytes[at] === CLOSE) return at + 1;
      if (bytes[at] !== COMMA) return -1;
      at = this.#walker.space(at + 1);
    }
  }

  /** Which place this name is, -1 for none, -2 where it has escapes. */
  #find(places: readonly Place[], start: number, end: number): number {
    const bytes = this.#bytes;
    for (let i = 0; i < places.length; i++) {
      const name = places[i]?.name;
      if (name?.length !== end - start) continue;
      let k = 0;
      while (k < name.length && name[k] === bytes[start + k]) k++;
      if (k === name.length) return i;
    }
    for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return -2;
    return -1;
  }

  #member(at: number, { field, inside }: Place): number {
    const c = this.#bytes[at];
    if (field === undefined) {
      const end = c === OPEN ? this.#object(at + 1, inside) : this.#walker.value(at);
      if (inside === HEAD) {
        this.#headStart = at;
        this.#headEnd = end;
      }
      return end;
    }
    if (field === 'links') return c === OPEN_LIST ? this.#list(at + 1) : this.#walker.value(at);
    if (c !== QUOTE) return -1;
    const end = this.#walker.string(at + 1);
    if (end < 0) return -1;
    const text = this.#decode(at + 1, end - 1);
    if (field === 'url') this.#url = text;
    else if (field === 'arcUrl') this.#arcUrl = text;
    else this.#base = text;
    return end;
  }

  /** The text of a string without its quotes. */
  #decode(start: number, end: number): string {
    const bytes = this.#bytes;
    for (let at = start; at < end; at++)
      if (bytes[at] === BACKSLASH) return String(this.#parse(start - 1, end + 1));
    return bytes.toString('utf8', start, end);
  }

  /** Only for what has been walked: it is legal. */
  #parse(start: number, end: number): unknown {
    return JSON.parse(this.#bytes.toString('utf8', start, end));
  }

  /** From behind the opening bracket of the list of links to behind the closing one. */
  #list(start: number): number {
    const bytes = this.#bytes;
    if (bytes[start] === CLOSE_LIST) return start + 1;
    if (bytes[start] !== OPEN) return -1;
    let end = bytes.indexOf(CLOSE_LIST, start);
    while (end >= 0 && bytes[end - 1] !== CLOSE) end = bytes.indexOf(CLOSE_LIST, end + 1);
    if (end < 0) return -1;
    for (let at = bytes.indexOf(OPEN_LIST, start); at >= 0 && at < end; at = bytes.indexOf(OPEN_LIST, at + 1))
      if (this.#mayOpen(at)) return -1;
    this.#listStart = start;
    this.#listEnd = end;
    return end + 1;
  }

  /** Whether this `[` may be a token and not a character of a string. */
  #mayOpen(at: number): boolean {
    const before = this.#spaceBefore(at);
    const c = this.#bytes[before];
    if (c === COLON) return this.#bytes[this.#spaceBefore(before)] === QUOTE;
    return c === COMMA || c === OPEN_LIST;
  }

  #spaceBefore(at: number): number {
    for (at--; at >= 0; at--) {
      const c = this.#bytes[at];
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break;
    }
    return at;
  }

  #images(): ScannedLink[] | undefined {
    const images: ScannedLink[] = [];
    if (this.#listEnd === 0) return images;
    const list = this.#bytes.subarray(this.#listStart, this.#listEnd);
    if (hidesPath(list)) return undefined;
    for (let hit = list.indexOf(MARK, 0, 'latin1'); hit >= 0; ) {
      if (!isImagePath(list, hit)) {
        hit = list.indexOf(MARK, hit + 1, 'latin1');
        continue;
      }
      const start = isCanonical(list, hit) ? hit - 9 : list.lastIndexOf('{"', hit, 'latin1');
      if (start < 0 || (start > 0 && list[start - 1] !== COMMA)) return undefined;
      const end = this.#link(this.#listStart + start, this.#listStart + hit, images);
      if (end < 0) return undefined;
      hit = list.indexOf(MARK, end - this.#listStart, 'latin1');
    }
    return images;
  }

  /** All links, one after the other: each has to be an object of strings. */
  #links(): ScannedLink[] | undefined {
    const links: ScannedLink[] = [];
    if (this.#listEnd === 0) return links;
    for (let at = this.#listStart; ; at++) {
      if (this.#bytes[at] !== OPEN) return undefined;
      at = this.#link(at, -1, links);
      if (at < 0) return undefined;
      if (at === this.#listEnd) return links;
      if (this.#bytes[at] !== COMMA) return undefined;
    }
  }

  /**
   * Reads an object of strings to behind its brace. Where there is a `hit`, its path has to be the string that begins
   * there.
   */
  #link(start: number, hit: number, links: ScannedLink[]): number {
    const bytes = this.#bytes;
    let path = -1;
    let pathEnd = -1;
    let url: string | undefined;
    let alt: string | undefined;
    let rel: string | undefined;
    for (let at = start + 1; ; at++) {
      const name = at + 1;
      if (bytes[at] !== QUOTE) return -1;
      at = this.#walker.string(name);
      if (at < 0 || bytes[at] !== COLON || bytes[at + 1] !== QUOTE) return -1;
      const nameEnd = at - 1;
      const value = at + 2;
      at = this.#walker.string(value);
      if (at < 0) return -1;
      switch (linkField(bytes, name, nameEnd)) {
        case 'path':
          path = value;
          pathEnd = at - 1;
          break;
        case 'url':
          url = this.#decode(value, at - 1);
          break;
        case 'alt':
          alt = this.#decode(value, at - 1);
          break;
        case 'rel':
          rel = this.#decode(value, at - 1);
          break;
        case 'escaped':
          return -1;
      }
      if (bytes[at] === CLOSE) {
        if (hit >= 0 && path !== hit) return -1;
        // A link without a path is none.
        if (path >= 0)
          links.push({ path: hit >= 0 ? IMAGE_PATH : this.#decode(path, pathEnd), url, alt, rel });
        return at + 1;
      }
      if (bytes[at] !== COMMA) return -1;
    }
  }
}
