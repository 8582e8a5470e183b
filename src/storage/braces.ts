import { GleanerError } from '../schema/index.ts';

/** Names that one pattern may stand for: as many shards as LAION-5B has, and room. */
const MAX_NAMES = 1_000_000;

/**
 * The names that a pattern with braces stands for, as bash and webdataset have them: `{a,b}`, `{0..9}`, `{000..127}` (as
 * many digits as the longer has) and `{0..100..10}`, also several and within each other. Braces that are neither stay.
 * @throws GleanerError USAGE for more than a million
 */
export function expandBraces(pattern: string): string[] {
  const brace = firstBrace(pattern);
  if (!brace) return [pattern];
  const { start, end, parts: middles } = brace;
  const [head, rest] = [pattern.slice(0, start), expandBraces(pattern.slice(end + 1))];
  if (middles.length * rest.length > MAX_NAMES)
    throw new GleanerError('USAGE', {
      problem: `${pattern}: stands for more than ${MAX_NAMES.toLocaleString('en')} names. Name fewer.`,
    });
  return middles.flatMap((middle) => rest.map((tail) => head + middle + tail));
}

/** The first pair of braces that is a pattern, and what it stands for. */
function firstBrace(
  pattern: string,
): { readonly start: number; readonly end: number; readonly parts: readonly string[] } | undefined {
  for (let start = pattern.indexOf('{'); start >= 0; start = pattern.indexOf('{', start + 1)) {
    let depth = 0;
    const cuts = [start];
    for (let at = start; at < pattern.length; at++) {
      if (pattern[at] === '{') depth++;
      if (pattern[at] === ',' && depth === 1) cuts.push(at);
      if (pattern[at] === '}' && --depth === 0) {
        cuts.push(at);
        const parts = partsOf(pattern, cuts);
        if (parts) return { start, end: at, parts };
        break;
      }
    }
  }
  return undefined;
}

function partsOf(pattern: string, cuts: readonly number[]): readonly string[] | undefined {
  const parts = cuts.slice(1).map((cut, i) => pattern.slice((cuts[i] ?? 0) + 1, cut));
  if (parts.length > 1) return parts.flatMap(expandBraces);
  return rangeOf(parts[0] ?? '');
}

/** As '000..127' or '0..100..10'. */
function rangeOf(text: string): readonly string[] | undefined {
  const match = /^(\d{1,15})\.\.(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
  if (!match) return undefined;
  const [, from = '', to = '', by = '1'] = match;
  const [first, last, step] = [Number(from), Number(to), Math.max(1, Number(by))];
  const padded = [from, to].some((end) => end.length > 1 && end.startsWith('0'));
  const digits = padded ? Math.max(from.length, to.length) : 0;
  // One more than may be is enough to be refused.
  const length = Math.min(Math.floor(Math.abs(last - first) / step), MAX_NAMES) + 1;
  const sign = last < first ? -1 : 1;
  return Array.from({ length }, (_, i) => String(first + sign * i * step).padStart(digits, '0'));
}
