import { attribute } from './attribute.ts';
import { openGraph } from './open-graph.ts';
import type { LinkRule } from './rule.ts';

export type { ImageLink } from './rule.ts';

/** The rule that LAION-400M has, and the default. */
export const IMAGE_SOURCE = 'IMG@/src';

/** All rules of a recipe as one: what the first finds comes first. @param names as 'IMG@/src', or 'og:image' */
export function linkRules(names: readonly string[]): LinkRule {
  const rules = names.map((name) => (name === 'og:image' ? openGraph : attribute(name)));
  const [only] = rules;
  return rules.length === 1 && only ? only : (page) => rules.flatMap((rule) => rule(page));
}
