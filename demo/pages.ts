/** Pages: how they write addresses, and their HTML. */
import type { ImageLink, Page, Place, SmallWeb, UrlForm } from './model.ts';

/** The origins of a web's hosts, by index: 'http://127.0.0.1:29200'. */
export type Origins = readonly string[];

/** The absolute URL of a place. @throws RangeError where no such host is served */
export function urlOf(place: Place, origins: Origins): string {
  const origin = origins[place.host];
  if (origin === undefined) throw new RangeError(`host ${place.host} has no origin`);
  return origin + place.path;
}

/** Folder of a path: up to and with its last '/', without a query. */
function folderOf(path: string): string {
  const plain = path.split('?')[0] ?? path;
  return plain.slice(0, plain.lastIndexOf('/') + 1);
}

/** The way from a folder to a path on the same host: '../images/7.png'. */
function relativePath(folder: string, path: string): string {
  const from = folder.split('/').slice(1, -1);
  const to = path.split('/').slice(1);
  let common = 0;
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++;
  return '../'.repeat(from.length - common) + to.slice(common).join('/');
}

/** The address of a place as a document writes it whose relative addresses start from `from`. */
function writeUrl(place: Place, form: UrlForm, from: Place, origins: Origins): string {
  const absolute = urlOf(place, origins);
  if (form === 'absolute') return absolute;
  if (form === 'scheme-relative' || place.host !== from.host) return absolute.replace(/^http:/, '');
  return form === 'root-relative' ? place.path : relativePath(folderOf(from.path), place.path);
}

/** The href of a page's `<base>`; undefined where it has none. */
function baseHref(page: Page, origins: Origins): string | undefined {
  return page.base && writeUrl(page.base.place, page.base.form, page, origins);
}

/** The src of an image as its page has it. */
export function srcOf(link: ImageLink, page: Page, origins: Origins): string {
  if (link.target.kind === 'data') return link.target.uri;
  const { picture, form, fragment, raw } = link.target;
  const src = writeUrl(picture, form, page.base?.place ?? page, origins);
  return (raw ? decodeURI(src) : src) + fragment;
}

/** Text as an HTML attribute or element holds it. */
function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A link of a page, as a WAT has it. Order and names of the fields are those of Common Crawl's files. */
interface PageLink {
  readonly path: 'A@/href' | 'IMG@/src';
  readonly url: string;
  readonly text?: string;
  readonly alt?: string;
  readonly rel?: string;
}

/** All that is in a page, in the order of the document: what its HTML and its WAT record are both written from. */
export interface PageContent {
  readonly title: string;
  readonly description: string;
  readonly base: string | undefined;
  /** `<link rel="license" href>`. */
  readonly licenseLink: string | undefined;
  readonly links: readonly PageLink[];
}

/** What a page holds once its web has addresses. It links to the front page and to the next page of its host. */
export function pageContent(web: SmallWeb, page: Page, origins: Origins): PageContent {
  const siblings = web.pages.filter(({ host }) => host === page.host);
  const next = siblings[(siblings.indexOf(page) + 1) % siblings.length] ?? page;
  const start = page.base?.place ?? page;
  const home = writeUrl({ host: page.host, path: '/' }, 'root-relative', start, origins);
  const images = page.images.map((link): PageLink => {
    const img = { path: 'IMG@/src', url: srcOf(link, page, origins) } as const;
    return link.alt === undefined ? img : { ...img, alt: link.alt };
  });
  const license = page.license && {
    path: 'A@/href' as const,
    url: page.license.url,
    text: 'Creative Commons',
  };
  return {
    title: page.title,
    description: `${page.images.length} pictures`,
    base: baseHref(page, origins),
    licenseLink: page.license?.as === 'link' ? page.license.url : undefined,
    links: [
      { path: 'A@/href', url: home, text: 'Home' },
      ...images,
      { path: 'A@/href', url: urlOf(next, origins), text: next.title },
      ...(license === undefined || page.license?.as === 'link'
        ? []
        : [page.license?.as === 'rel-anchor' ? { ...license, rel: 'license' } : license]),
    ],
  };
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}' +
  'main{display:flex;flex-wrap:wrap;gap:1rem}img{max-width:100%;height:12rem;object-fit:contain}footer{margin-top:1rem}';

function linkHtml({ path, url, text, alt, rel }: PageLink): string {
  const address = escapeHtml(url);
  if (path === 'IMG@/src')
    return `<img src="${address}"${alt === undefined ? '' : ` alt="${escapeHtml(alt)}"`}>`;
  return `<a${rel === undefined ? '' : ` rel="${rel}"`} href="${address}">${escapeHtml(text ?? '')}</a>`;
}

function documentHtml(head: readonly string[], body: readonly string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    ...head,
    `<style>${STYLE}</style>`,
    ...body,
    '</html>',
    '',
  ].join('\n');
}

/** A page as a browser shows it. */
export function pageHtml(content: PageContent): string {
  const images = content.links.filter(({ path }) => path === 'IMG@/src').map(linkHtml);
  const [home, ...footer] = content.links.filter(({ path }) => path === 'A@/href').map(linkHtml);
  return documentHtml(
    [
      '<meta charset="utf-8">',
      `<title>${escapeHtml(content.title)}</title>`,
      `<meta name="description" content="${escapeHtml(content.description)}">`,
      ...(content.base === undefined ? [] : [`<base href="${escapeHtml(content.base)}">`]),
      ...(content.licenseLink === undefined
        ? []
        : [`<link rel="license" href="${escapeHtml(content.licenseLink)}">`]),
    ],
    [
      `<nav>${home ?? ''}</nav>`,
      `<h1>${escapeHtml(content.title)}</h1>`,
      `<main>\n${images.join('\n')}\n</main>`,
      `<footer>${footer.join(' · ')}</footer>`,
    ],
  );
}

/** The front page of a host: its pages, for people who look around. The crawl does not visit it. */
export function homeHtml(web: SmallWeb, host: number): string {
  const pages = web.pages.filter((page) => page.host === host);
  const items = pages.map(
    ({ path, title }) => `<li><a href="${escapeHtml(path)}">${escapeHtml(title)}</a></li>`,
  );
  const title = `Host ${host} of a small web`;
  return documentHtml(
    ['<meta charset="utf-8">', `<title>${title}</title>`],
    [`<h1>${title}</h1>`, `<ul>${items.join('\n')}</ul>`],
  );
}
