import type { Recipe } from '../../config/index.ts';

/**
 * What only those can say who publish a release; it stands in README.md and croissant.json and nowhere else, so that it
 * may change without anything else being made anew.
 */
export type Publication = Recipe['card'];

/** Nothing said yet. */
export const UNPUBLISHED: Publication = { contact: null, license: null, published: null, version: null };
