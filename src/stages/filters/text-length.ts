import { dropped } from '../../schema/index.ts';
import type { PairFilter } from './filter.ts';

/** Drops texts with fewer or more Unicode code points. @param max null: no limit */
export function textLength(min: number, max: number | null): PairFilter {
  return ({ text }) => {
    // A code point is one code unit or two: most texts are judged without counting.
    if (text.length >= 2 * min && (max === null || text.length <= max)) return undefined;
    const chars = codePoints(text);
    if (chars < min) return dropped('text_short', `${chars} characters`);
    if (max !== null && chars > max) return dropped('text_long', `${chars} characters`);
    return undefined;
  };
}

function codePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Texts are well-formed: the second half of a pair follows its first.
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}
