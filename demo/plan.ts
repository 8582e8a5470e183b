/** The maker's own plan: what the laion400m recipe has to make of every link of the crawl. */
import { REASON_NAMES, type Reason } from '../src/schema/index.ts';
import type { ImageLink, Page, SmallWeb } from './model.ts';
import { type Origins, srcOf, urlOf } from './pages.ts';

/**
 * Where a link ends. 'scored' ones come to the CLIP threshold: they are released, or dropped by their similarity
 * or their safety tags; `right` says whether the text is about the picture. Wrong texts are about something of
 * another kind, with no word in common.
 */
type PlannedEnd =
  | { readonly end: 'scored'; readonly right: boolean }
  | { readonly end: Exclude<Reason, 'similarity' | 'minor' | 'animal'> };

/** An image link in the order of the crawl: by WAT file, page, place on the page. */
export type PlannedLink = PlannedEnd & {
  /** Index of its WAT file. */
  readonly wat: number;
  readonly pageUrl: string;
  /** Absolute, without fragment. */
  readonly url: string;
  /** White space folded; '' where there is no text. */
  readonly text: string;
  /** The Creative Commons URL on its page, or '?'. */
  readonly license: string;
};

export interface Plan {
  readonly seed: number;
  readonly hosts: number;
  readonly pages: number;
  readonly pictures: number;
  readonly wats: number;
  readonly links: readonly PlannedLink[];
}

/** Pages of each WAT file: a crawl deals its pages out, so that every file has some of every host. */
export function pagesOfWat(web: SmallWeb, wat: number, wats: number): Page[] {
  return web.pages.filter((_, index) => index % wats === wat);
}

/** @param wats - Number of WAT files that the crawl is written to; files are read in their order. */
export function makePlan(web: SmallWeb, origins: Origins, wats: number): Plan {
  const seen = new Set<string>();
  const links: PlannedLink[] = [];
  for (let wat = 0; wat < wats; wat++) {
    for (const page of pagesOfWat(web, wat, wats)) {
      for (const link of page.images) {
        const url =
          link.target.kind === 'data' ? srcOf(link, page, origins) : urlOf(link.target.picture, origins);
        const text = (link.alt ?? '').replaceAll(/\s+/g, ' ').trim();
        links.push({
          wat,
          pageUrl: urlOf(page, origins),
          url,
          text,
          license: page.license?.url ?? '?',
          ...endOf(link, JSON.stringify([url, text]), seen),
        });
      }
    }
  }
  const { seed, hosts, pages, pictures } = web;
  return { seed, hosts: hosts.length, pages: pages.length, pictures: pictures.length, wats, links };
}

/** The recipe's checks in its order: text, scheme, language, seen before, and then what the host answers. */
function endOf(link: ImageLink, pair: string, seen: Set<string>): PlannedEnd {
  if (link.textEnd === 'no_text') return { end: 'no_text' };
  if (link.target.kind === 'data') return { end: 'url_scheme' };
  if (link.textEnd !== undefined) return { end: link.textEnd };
  if (seen.has(pair)) return { end: 'duplicate' };
  seen.add(pair);
  const { end, subject } = link.target.picture;
  if (end === 'scored') return { end, right: link.about === subject };
  if (end === 'similarity' || end === 'minor' || end === 'animal')
    throw new RangeError(`${end} cannot be planned`);
  return { end };
}

/** How many links end where, in the order of the funnel. */
export interface PlanCounts {
  readonly links: number;
  readonly dropped: { readonly [R in Reason]?: number };
  readonly right: number;
  readonly wrong: number;
}

export function planCounts({ links }: Plan): PlanCounts {
  const ended = (reason: Reason): number => links.filter(({ end }) => end === reason).length;
  const dropped = REASON_NAMES.map((reason) => [reason, ended(reason)] as const).filter(([, n]) => n > 0);
  const scored = links.filter((link) => link.end === 'scored');
  const right = scored.filter((link) => link.right).length;
  return { links: links.length, dropped: Object.fromEntries(dropped), right, wrong: scored.length - right };
}

/** The plan as a file, with its counts first for those who look into it. */
export function planJson(plan: Plan): string {
  const { links, ...rest } = plan;
  const lines = links.map((link) => `  ${JSON.stringify(link)}`).join(',\n');
  const head = JSON.stringify({ ...rest, counts: planCounts(plan) }, undefined, 1).slice(0, -2);
  return `${head},\n "links": [\n${lines}\n ]\n}\n`;
}
