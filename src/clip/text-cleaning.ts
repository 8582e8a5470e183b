/**
 * What a model's reference does to a caption before its tokenizer, and what no tokenizer.json holds. CLIP's and open_clip's
 * begin with the Python library ftfy; here are the fixes of ftfy that captions from the web need: HTML entities, mojibake of
 * UTF-8 read as Windows-1252, ligatures, full width, curly quotes, line breaks, escape sequences, control characters, NFC.
 */
import { ENTITIES, mendMojibake, unescapeHtml, WINDOWS_1252 } from '../formats/index.ts';
import { lowerLetters } from './normalizer.ts';

/**
 * - `lower`: openai/CLIP's simple_tokenizer.py and open_clip's SimpleTokenizer
 * - `whitespace`: open_clip's HFTokenizer (XLM-RoBERTa and others)
 * - `canonicalize`: open_clip's for SigLIP
 * - `siglip`: transformers' SiglipTokenizer, which mends nothing
 * - `none`
 */
export type TextCleaning = 'lower' | 'whitespace' | 'canonicalize' | 'siglip' | 'none';
export const OPEN_CLIP_CLEANINGS = ['lower', 'whitespace', 'canonicalize'] as const satisfies TextCleaning[];

/** ftfy repeats its fixes until nothing changes; each round undoes one layer, and nobody wraps more than a few. */
const MAX_ROUNDS = 8;

/** Cleans one caption. The result may be ''. */
export function cleanText(text: string, cleaning: TextCleaning): string {
  const formed = text.toWellFormed();
  switch (cleaning) {
    case 'none':
      return formed;
    case 'lower':
      return foldSpace(mendText(formed)).toLowerCase();
    case 'whitespace':
      return foldSpace(mendText(formed));
    case 'canonicalize':
      return foldSpace(mendText(formed).replaceAll('_', ' ').replace(PUNCTUATION, '').toLowerCase());
    case 'siglip':
      return foldSpace(lowerLetters(formed).replaceAll('▁', ' ').replace(PUNCTUATION, ''));
  }
}

/** open_clip's `basic_clean`, without its strip, which white space is folded after anyway. */
function mendText(text: string): string {
  return unescapeHtml(unescapeHtml(fixText(text)));
}

/** open_clip's `whitespace_clean`. */
function foldSpace(text: string): string {
  return text.replace(WHITE_SPACE, ' ').replace(/^ | $/g, '');
}

/** Python's `string.punctuation`: that of ASCII. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** Python's `str.split`: JavaScript's white space and the separators of ASCII and C1. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const WHITE_SPACE = /[\s\x1c-\x1f\x85]+/g;
/** ftfy's table of controls, without those that are white space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROLS = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
const TERMINAL_ESCAPE = /\x1b\[[\d;]*[a-zA-Z]/g;

const LIGATURES: Readonly<Record<string, string>> = {
  ...{ Ĳ: 'IJ', ĳ: 'ij', ŉ: 'ʼn', Ǳ: 'DZ', ǲ: 'Dz', ǳ: 'dz', Ǆ: 'DŽ', ǅ: 'Dž', ǆ: 'dž' },
  ...{ Ǉ: 'LJ', ǈ: 'Lj', ǉ: 'lj', Ǌ: 'NJ', ǋ: 'Nj', ǌ: 'nj' },
  ...{ ﬀ: 'ff', ﬁ: 'fi', ﬂ: 'fl', ﬃ: 'ffi', ﬄ: 'ffl', ﬅ: 'ſt', ﬆ: 'st' },
};
const LIGATURE = new RegExp(`[${Object.keys(LIGATURES).join('')}]`, 'g');

/** ftfy's fix_text: line by line, as one broken line says nothing of the next. */
function fixText(text: string): string {
  // Printable ASCII without an entity has nothing to mend, and most captions are that.
  if (/^[\x20-\x25\x27-\x7e]*$/.test(text)) return text;
  // A text with a tag is HTML, not text that was escaped by mistake; from its line on, entities are left alone.
  let entities = true;
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      entities &&= !line.includes('<');
      return fixLine(line, entities);
    })
    .join('');
}

function fixLine(line: string, entities: boolean): string {
  let text = line;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = text;
    if (entities) text = decodeWhole(text);
    text = mendMojibake(text)
      .replace(/[\x80-\x9f]/g, (c) => WINDOWS_1252[c.charCodeAt(0)] ?? c)
      .replace(LIGATURE, (c) => LIGATURES[c] ?? c)
      .replace(/[\u3000\uff01-\uffef]/g, (c) => c.normalize('NFKC'))
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/\r\n?|[\u2028\u2029\x85]/g, '\n')
      .replace(TERMINAL_ESCAPE, '')
      .replace(CONTROLS, '')
      .normalize('NFC');
    if (text === before) break;
  }
  return text;
}

/** ftfy's unescape_html: references that end with a semicolon, and names that somebody wrote in capitals. */
function decodeWhole(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(#?)([0-9A-Za-z]{1,24});/g, (whole, number: string, name: string) => {
    if (number === '') return ENTITIES.get(name) ?? capitals().get(name) ?? whole;
    const decoded = unescapeHtml(whole);
    return decoded.includes(';') ? whole : decoded;
  });
}

let inCapitals: ReadonlyMap<string, string> | undefined;

/** `EACUTE` is É: names in small letters, but those that mean something in capitals as well (ftfy/chardata.py). */
function capitals(): ReadonlyMap<string, string> {
  inCapitals ??= new Map(
    [...ENTITIES].flatMap(([name, character]) => {
      const capital = name.toUpperCase();
      const isFree = name === name.toLowerCase() && unescapeHtml(`&${capital};`) === `&${capital};`;
      return isFree ? [[capital, character.toUpperCase()] as const] : [];
    }),
  );
  return inCapitals;
}
