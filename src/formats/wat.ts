import { dropped, kept, type Outcome } from '../schema/index.ts';
import { decodeEntities } from './html-entities.ts';
import type { WarcRecord } from './warc-record.ts';

/** A link as the page has it. Fields that the page does not have, or that are no text, are undefined. */
export interface WatLink {
  /** Element and attribute, as 'IMG@/src', 'A@/href'. */
  readonly path: string;
  /** As written: absolute or not. */
  readonly url: string | undefined;
  /** As written, white space and all. */
  readonly alt: string | undefined;
  readonly rel: string | undefined;
}

/** A meta element: its name or property in lower case, and its content. */
export interface WatMeta {
  readonly name: string;
  readonly content: string;
}

/** What a WAT tells of one captured page. */
export interface WatPage {
  /** The URL that was captured; '' where the record has none. */
  readonly url: string;
  /** Of the page's base element, as written. */
  readonly base: string | undefined;
  /** Links of the body, in the order of the page. */
  readonly links: readonly WatLink[];
  /** Link elements of the head. */
  readonly headLinks: readonly WatLink[];
  readonly metas: readonly WatMeta[];
}

export interface WatOptions {
  /** Decode character references in URLs and texts: `carriesEntities` tells. @default false */
  readonly decodeEntities?: boolean;
}

/** The day from which ia-web-commons decodes character references itself: its merge c7e79be, for its issue 14. */
const DECODING_SINCE = '20190708';

/**
 * Whether a WAT file, by its warcinfo record, was made by a generator that left `&amp;` and `&#8217;` in attribute
 * values as they stood in the HTML: Common Crawl's, up to July 2019. Its build time stands behind its version:
 * `Software-Info: ia-web-commons.1.0-SNAPSHOT-20150415075912`. Where there is none, references count as decoded.
 */
export function carriesEntities(warcinfo: WarcRecord): boolean {
  const text = new TextDecoder().decode(warcinfo.payload);
  const built = /^Software-Info:\s*ia-web-commons\.\S*-(\d{8})\d{6}\s*$/im.exec(text)?.[1];
  return built !== undefined && built < DECODING_SINCE;
}

const utf8 = new TextDecoder();

/**
 * Parses the JSON of a WAT metadata record. Whatever has an odd shape (Links null or an object, an alt that is a
 * number, a base that is no text) is left out, that link or that field alone.
 * @returns dropped with record_json where it is no JSON object
 */
export function parseWat(payload: Uint8Array, options: WatOptions = {}): Outcome<WatPage> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(payload));
  } catch (error) {
    return dropped('record_json', error instanceof Error ? error.message.slice(0, 80) : '');
  }
  if (!isObject(parsed)) return dropped('record_json', 'no JSON object');
  const text = (value: unknown): string | undefined =>
    typeof value !== 'string' ? undefined : options.decodeEntities ? decodeEntities(value) : value;

  const envelope = field(parsed, 'Envelope');
  const html = field(field(field(envelope, 'Payload-Metadata'), 'HTTP-Response-Metadata'), 'HTML-Metadata');
  const head = field(html, 'Head');
  // The page's own URL is no HTML: it never carries character references.
  const url =
    field(field(envelope, 'WARC-Header-Metadata'), 'WARC-Target-URI') ??
    field(field(envelope, 'ARC-Header-Metadata'), 'Target-URI');
  return kept({
    url: typeof url === 'string' ? url : '',
    base: text(field(head, 'Base')),
    links: list(field(html, 'Links')).flatMap(toLink),
    headLinks: list(field(head, 'Link')).flatMap(toLink),
    metas: list(field(head, 'Metas')).flatMap(toMeta),
  });

  function toLink(value: unknown): WatLink[] {
    const path = field(value, 'path');
    if (typeof path !== 'string') return [];
    return [
      {
        path,
        url: text(field(value, 'url')),
        alt: text(field(value, 'alt')),
        rel: text(field(value, 'rel')),
      },
    ];
  }

  function toMeta(value: unknown): WatMeta[] {
    const name = text(field(value, 'name') ?? field(value, 'property'));
    const content = text(field(value, 'content'));
    return name === undefined || content === undefined ? [] : [{ name: name.toLowerCase(), content }];
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function field(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
