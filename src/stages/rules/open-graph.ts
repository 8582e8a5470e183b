import type { LinkRule } from './rule.ts';

const IMAGES: ReadonlySet<string> = new Set(['og:image', 'og:image:url', 'og:image:secure_url']);

/**
 * The image of a page for those who link to it (ogp.me), with its own text, or else the title of the page, or else its
 * description. The secure address stands for the same image: it is not taken as a second one.
 */
export const openGraph: LinkRule = ({ metas }) => {
  const first = (name: string) =>
    metas.find((meta) => meta.name === name && meta.content.trim() !== '')?.content;
  const title = first('og:title') ?? first('og:description');
  const found: { url: string; alt: string | undefined }[] = [];
  for (const { name, content } of metas) {
    const last = found.at(-1);
    // What follows an og:image belongs to it, until the next.
    if (name === 'og:image:alt' && last && content.trim() !== '') last.alt = content;
    else if (name === 'og:image' || (IMAGES.has(name) && !last)) found.push({ url: content, alt: title });
  }
  return found;
};
