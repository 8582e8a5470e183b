/**
 * The small web before it has addresses: hosts are numbers, and a place is a host and a path. Ports are known only
 * when it is served; everything else the seed has fixed by then.
 */
import type { Reason } from '../src/schema/index.ts';
import type { Subject } from './subjects.ts';

export interface Place {
  /** Index of the host. */
  readonly host: number;
  /** As in a request: from '/', percent-encoded, with its query. */
  readonly path: string;
}

/** What a host says to a request. */
export type Answer =
  | { readonly kind: 'body'; readonly type: string; readonly bytes: Uint8Array }
  | { readonly kind: 'redirect'; readonly status: 301 | 302 | 307 | 308; readonly to: Place }
  | { readonly kind: 'missing' }
  /** The first `sent` bytes, then nothing; with 0, not even a head. */
  | { readonly kind: 'stall'; readonly type: string; readonly bytes: Uint8Array; readonly sent: number };

export interface Resource extends Place {
  readonly answer: Answer;
}

/** A host: what its robots.txt holds (undefined: it has none) and what it adds to every answer. */
export interface Host {
  readonly role: 'open' | 'slow' | 'noai' | 'closed';
  readonly robots: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** An image URL of the small web, and where the recipe has to end with it if it comes to asking for it. */
export interface Picture extends Place {
  readonly subject: Subject;
  readonly end: 'scored' | Reason;
}

/** How a page writes the address of an image. */
export type UrlForm = 'absolute' | 'scheme-relative' | 'root-relative' | 'relative';

export interface ImageLink {
  readonly target:
    | {
        readonly kind: 'picture';
        readonly picture: Picture;
        readonly form: UrlForm;
        readonly fragment: string;
        /** Whether blanks and letters outside ASCII stand in the page as they are. */
        readonly raw: boolean;
      }
    | { readonly kind: 'data'; readonly uri: string };
  /** As in the page; undefined where the attribute is missing. */
  readonly alt: string | undefined;
  /** What the text is about, where it is an English sentence. */
  readonly about: Subject | undefined;
  /** Where the text alone ends it; undefined for an English sentence. */
  readonly textEnd: 'no_text' | 'text_short' | 'language' | undefined;
}

export interface License {
  readonly url: string;
  readonly as: 'link' | 'anchor' | 'rel-anchor';
}

export interface Page extends Place {
  readonly title: string;
  /** What relative addresses are relative to, and how `<base>` says so; undefined: there is no `<base>`. */
  readonly base: { readonly place: Place; readonly form: UrlForm } | undefined;
  readonly license: License | undefined;
  readonly images: readonly ImageLink[];
}

export interface SmallWeb {
  readonly seed: number;
  readonly hosts: readonly Host[];
  readonly pages: readonly Page[];
  readonly pictures: readonly Picture[];
  /** Everything but pages and robots.txt that a host answers to. */
  readonly resources: readonly Resource[];
}
