/** Spreads pictures over pages, as sites do: own ones, others' ones, the same one again and again. */
import { type Draft, hostOf, sentence, type Wording } from './drafts.ts';
import type { Host, ImageLink, License, Page, Picture, UrlForm } from './model.ts';
import { Random } from './random.ts';

const LICENSES = [
  'https://creativecommons.org/licenses/by/4.0/',
  'https://creativecommons.org/licenses/by-sa/4.0/',
  'https://creativecommons.org/licenses/by-sa/3.0/',
  'https://creativecommons.org/licenses/by-nc/2.0/',
  'https://creativecommons.org/publicdomain/zero/1.0/',
] as const;

/** A transparent pixel, as pages hold it in place of a picture that a script will load. */
const PLACEHOLDER = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

interface Sheet {
  readonly page: Omit<Page, 'images'>;
  readonly images: ImageLink[];
}

function makeSheet(index: number, hosts: readonly Host[], seed: number): Sheet {
  const random = new Random(seed, `page ${index}`);
  const host = hostOf('open', hosts, random);
  const path = random.pick([
    `/posts/2021/04/page-${index}/`,
    `/gallery/${index}.html`,
    `/p?id=${index}`,
    `/a/b/c/${index}`,
  ]);
  return {
    page: { host, path, title: `Drawings, page ${index + 1}`, base: makeBase(), license: makeLicense() },
    images: [],
  };

  function makeBase(): Page['base'] {
    if (!random.chance(0.25)) return undefined;
    return random.pick([
      { place: { host, path: '/' }, form: 'root-relative' },
      { place: { host, path: '/media/full/' }, form: 'root-relative' },
      { place: { host, path: '/static/img/index.html' }, form: 'absolute' },
      { place: { host: hostOf('open', hosts, random), path: '/images/' }, form: 'absolute' },
      { place: { host: hostOf('open', hosts, random), path: '/' }, form: 'scheme-relative' },
    ] as const);
  }

  function makeLicense(): License | undefined {
    if (!random.chance(0.25)) return undefined;
    return { url: random.pick(LICENSES), as: random.pick(['link', 'anchor', 'rel-anchor'] as const) };
  }
}

/** An address of a picture on a page; relative ones only where the host is the same. */
function linkTo(picture: Picture, wording: Wording, random: Random): ImageLink {
  const form: UrlForm = random.pick([
    'absolute',
    'scheme-relative',
    'root-relative',
    'relative',
    'relative',
  ] as const);
  const fragment = random.chance(0.03) ? '#view' : '';
  // Editors wrap and indent: such a text is the same text.
  const alt =
    wording.textEnd === undefined && random.chance(0.04)
      ? `\n  ${wording.alt?.replace(' ', '\n ')} `
      : wording.alt;
  return { ...wording, alt, target: { kind: 'picture', picture, form, fragment, raw: random.chance(0.5) } };
}

/**
 * Lays out all pictures once, and adds sights: banners that are on many pages, pictures that are on two, other
 * texts for the same picture, and placeholders without an address of their own.
 */
export function layOut(
  drafts: readonly Draft[],
  pageCount: number,
  hosts: readonly Host[],
  seed: number,
): Page[] {
  const sheets = Array.from({ length: pageCount }, (_, index) => makeSheet(index, hosts, seed));
  const random = new Random(seed, 'layout');
  const put = (sheet: Sheet, draft: Draft, wording: Wording): void => {
    sheet.images.push(linkTo(draft.picture, wording, random));
  };

  random.shuffled(drafts).forEach((draft, i) => {
    // The first picture of each page, so that none is empty; then anywhere, mostly on a page of its own host.
    const own = sheets.filter(({ page }) => page.host === draft.picture.host);
    const sheet = sheets[i] ?? random.pick(own.length > 0 && random.chance(0.8) ? own : sheets);
    put(sheet, draft, draft.wording);
  });

  const withText = drafts.filter(({ wording }) => wording.textEnd !== 'no_text');
  const scored = drafts.filter(
    ({ fate }) => fate.answer === 'good' && (fate.text === 'right' || fate.text === 'wrong'),
  );
  for (const banner of random.shuffled(scored).slice(0, 3)) {
    for (let i = 0; i < pageCount / 15; i++) put(random.pick(sheets), banner, banner.wording);
  }
  for (const draft of random.shuffled(withText).slice(0, Math.round(drafts.length * 0.08)))
    put(random.pick(sheets), draft, draft.wording);
  for (const draft of random.shuffled(scored).slice(0, Math.round(drafts.length * 0.02))) {
    const { picture, colour } = draft;
    put(random.pick(sheets), draft, sentence(picture.subject, colour, random));
  }
  for (const draft of random.shuffled(scored).slice(0, Math.ceil(drafts.length * 0.01)))
    random.pick(sheets).images.push({ ...draft.wording, target: { kind: 'data', uri: PLACEHOLDER } });

  return sheets.map(({ page, images }) => ({ ...page, images }));
}
