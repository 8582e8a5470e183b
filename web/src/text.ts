/** Control characters, and invisible ones, as those that turn the direction of the text around them; not the joiner of emoji. */
const INVISIBLE = /[\p{Cc}\u2028\u2029]|(?!\u200d)\p{Cf}/gu;

/** A text from the web as one harmless line, for titles and names. */
export function plainLine(text: string, maxChars: number): string {
  const line = text.replace(INVISIBLE, ' ').replace(/\s+/g, ' ').trim();
  return line.length > maxChars ? `${line.slice(0, maxChars - 1).toWellFormed()}…` : line;
}

/** The address if a browser may follow it: http or https, nothing else. */
export function webAddress(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && (url.protocol === 'http:' || url.protocol === 'https:') ? url : null;
}

/** 'CC BY-SA 4.0' for the address of a Creative Commons licence; '?' is what a release says where it found none. */
export function licenceName(license: string): string {
  if (license === '' || license === '?') return 'none found';
  const url = webAddress(license);
  if (!url) return plainLine(license, 60);
  const match = /^\/(?:licenses|publicdomain)\/([a-z-]+)(?:\/(\d\.\d))?/.exec(url.pathname);
  if (!/(^|\.)creativecommons\.org$/.test(url.hostname) || !match) return url.hostname;
  const [, name = '', version = ''] = match;
  if (name === 'zero') return `CC0 ${version}`.trim();
  if (name === 'mark') return 'Public Domain Mark';
  return `CC ${name.toUpperCase()} ${version}`.trim();
}

export function languageName(code: string): string {
  if (code === 'und' || code === '') return 'not determined';
  try {
    return new Intl.DisplayNames('en', { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}

const SAFETY: Readonly<Record<string, string>> = {
  UNLIKELY: 'nothing suspected',
  UNSURE: 'not sure it is safe',
  NSFW: 'not safe for work',
};

export function safetyName(nsfw: string): string {
  return SAFETY[nsfw] ?? nsfw;
}

/** Steps of the funnel, as what they looked at. */
const STEPS: Readonly<Record<string, string>> = {
  pair: 'Text',
  unique: 'Seen before',
  fetched: 'Fetched',
  image: 'Picture',
  matched: 'Text match',
  safe: 'Safety',
  distinct: 'Alike others',
  selected: 'Selection',
};

export function stepName(step: string): string {
  return STEPS[step] ?? plainLine(step, 40);
}

export function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}
