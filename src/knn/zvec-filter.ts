import type { KnnFilter, KnnRange } from './types.ts';

/**
 * A text as it is stored in the collection and named in filters: percent-encoded, quotes too. zvec 0.7 unescapes
 * `\'` but not `\\`, so that a text ending with a backslash could break out of its quotes; without quotes and
 * backslashes nothing can.
 */
export function encodeText(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll("'", '%27');
}

/** The filter in zvec's language; undefined where everything fits, null where nothing can. */
export function zvecFilter(filter: KnnFilter): string | undefined | null {
  const parts: string[] = [];
  for (const name of ['nsfw', 'language', 'license'] as const) {
    const values = filter[name];
    if (!values) continue;
    if (values.length === 0) return null;
    parts.push(`${name} in (${values.map((value) => `'${encodeText(value)}'`).join(', ')})`);
  }
  for (const name of ['width', 'height', 'similarity'] as const)
    parts.push(...rangeParts(name, filter[name]));
  return parts.length > 0 ? parts.join(' and ') : undefined;
}

function rangeParts(name: string, { min = -Infinity, max = Infinity }: KnnRange = {}): string[] {
  if (Number.isNaN(min) || Number.isNaN(max))
    throw new RangeError(`the end of a range of ${name} is not a number`);
  // Pixels are 32-bit integers in the collection, and are compared with such.
  const whole = name !== 'similarity';
  const low = whole ? int32(Math.ceil(min)) : min;
  const high = whole ? int32(Math.floor(max)) : max;
  return [
    ...(min > -Infinity ? [`${name} >= ${decimal(low)}`] : []),
    ...(max < Infinity ? [`${name} <= ${decimal(high)}`] : []),
  ];
}

function int32(value: number): number {
  return Math.min(Math.max(value, -1), 2 ** 31 - 1);
}

/** Without an exponent, which a filter need not know. */
function decimal(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20) : text;
}
