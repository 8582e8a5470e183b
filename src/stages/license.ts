import type { WatPage } from '../formats/index.ts';

/** What LAION writes where a page names no licence. */
const NO_LICENSE = '?';

/** Meta elements in which pages name their licence. */
const META_NAMES: ReadonlySet<string> = new Set([
  'license',
  'licence',
  'copyright',
  'rights',
  'dc.rights',
  'dc.rights.license',
  'dcterms.license',
  'dcterms.rights',
  'og:rights',
]);

/**
 * A licence or public domain mark of Creative Commons: kind, code, perhaps version and jurisdiction. What may follow
 * ('deed.de', 'legalcode') names the same licence.
 */
const LICENSE_URL =
  /^(?:https?:)?\/\/(?:www\.)?creativecommons\.org\/(licenses|publicdomain)\/([a-z][a-z+-]*)(?:\/(\d\.\d))?(?:\/([a-z]{2,4}))?(?=[/?#]|$)/i;

/**
 * The canonical address of a Creative Commons licence that `url` leads to, or undefined where it leads to none. The
 * host counts in lower case and as CreativeCommons.org: the reader of WAT records looks for no other.
 */
export function canonicalLicense(url: string): string | undefined {
  const match = LICENSE_URL.exec(url.trim());
  if (!match || !url.includes('ommons.org')) return undefined;
  const path = match.slice(1).filter((part) => part !== undefined);
  return `https://creativecommons.org/${path.join('/').toLowerCase()}/`;
}

/**
 * The Creative Commons licence that a page names, for all its images, or '?'. What is marked as the licence (rel,
 * meta) comes before a mere link; of several, the first.
 *
 * LAION-400M took the last link to creativecommons.org/licenses/ before the image, as written, so that images
 * above it had none (crawlingathome-worker, parse_wat); public domain marks it left out.
 */
export function pageLicense(page: WatPage): string {
  if (!page.mayNameLicense) return NO_LICENSE;
  const links = [...page.headLinks, ...page.links];
  const marked = links.filter((link) => link.rel?.toLowerCase().split(/\s+/).includes('license'));
  const metas = page.metas.filter((meta) => META_NAMES.has(meta.name));
  const linked = links.filter((link) => link.path === 'A@/href' || link.path === 'LINK@/href');
  const candidates = [
    ...marked.map((link) => link.url ?? ''),
    // In a meta element the address may stand in a sentence.
    ...metas.map((meta) => /\S*creativecommons\.org\/\S*/i.exec(meta.content)?.[0] ?? ''),
    ...linked.map((link) => link.url ?? ''),
  ];
  for (const url of candidates) {
    const license = canonicalLicense(url);
    if (license !== undefined) return license;
  }
  return NO_LICENSE;
}
