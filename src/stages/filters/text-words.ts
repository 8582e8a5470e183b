import { dropped } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';

/** Drops texts with fewer words, parted by white space. */
export function textWords(min: number): PairFilter {
  return ({ text }) => {
    const words = text.split(' ').length; // Texts have single blanks only.
    return words < min ? dropped('text_short', `${words} words`) : undefined;
  };
}
