import type { WatPage } from '../../formats/index.ts';

/** An image as a page names it, with the text that the page gives for it. */
export interface ImageLink {
  readonly url: string | undefined;
  readonly alt: string | undefined;
}

/** Finds images of one kind in a page, in their order. */
export type LinkRule = (page: WatPage) => readonly ImageLink[];
