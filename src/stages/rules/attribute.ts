import type { WatPage } from '../../formats/index.ts';
import type { LinkRule } from './rule.ts';

/**
 * Images by element and attribute, as `IMG@/src`, with their alternative text. Common Crawl's WATs have no other
 * attribute of images (ia-web-commons, ImgTagExtractor: src, alt, title, longdesc); other writers keep lazy-loading
 * ones, as `IMG@/data-src`, and `IMG@/srcset`, of which the largest candidate is taken.
 */
export function attribute(path: string): LinkRule {
  const ofPath = ({ links }: WatPage) => links.filter((link) => link.path === path);
  if (!path.endsWith('srcset')) return ofPath;
  return (page) =>
    ofPath(page).map(({ url, alt }) => ({ url: url === undefined ? undefined : largestCandidate(url), alt }));
}

/** The candidate of a srcset with the largest width or density (HTML, 4.8.4.2.1); of equal ones, the first. */
function largestCandidate(srcset: string): string {
  let best = '';
  let bestSize = Number.NEGATIVE_INFINITY;
  // A URL has no white space and neither begins nor ends with a comma; commas within it are its own.
  for (const [, url = '', descriptors = ''] of srcset.matchAll(
    /[\s,]*([^\s,]\S*[^\s,]|[^\s,])(\s[^,]*)?(?:,|$)/g,
  )) {
    const size = /(?:^|\s)(\d+(?:\.\d+)?)[wx](?=\s|$)/.exec(descriptors)?.[1];
    if (Number(size ?? 1) <= bestSize) continue;
    best = url;
    bestSize = Number(size ?? 1);
  }
  return best;
}
