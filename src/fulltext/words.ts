/** Words of a query that are looked for; what follows is passed over. */
const MAX_WORDS = 32;
/** Longest word, in UTF-16 units: longer ones are cut. */
const MAX_WORD_CHARS = 200;

/**
 * Writing that puts no spaces between words, and pictures: each sign is a word of its own, so that any run of them is
 * found where it stands. Alone, SQLite's unicode61 makes one word of a whole run.
 */
const SIGNS =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{Extended_Pictographic}]/gu;
/** Categories that unicode61 makes words of, as `TOKENIZER` asks for them. */
const WORD_SIGN = /[\p{L}\p{N}\p{Co}\p{So}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a NUL ends an expression of FTS5.
const CONTROLS = /[\u0000-\u001f]/g;

/** How FTS5 cuts what `searchable` gives: letters, numbers and pictures, without case and diacritics. */
export const TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* N* Co So'";

/** A text as it is indexed and looked for. */
export function searchable(text: string): string {
  return text.toWellFormed().normalize('NFKC').replace(CONTROLS, ' ').replace(SIGNS, ' $& ');
}

/** What a user looks for: a word as it was written, and as FTS5 is asked for it. */
export interface QueryWord {
  readonly word: string;
  /** A string of FTS5, in quotes: nothing in it is syntax. */
  readonly phrase: string;
  /** What stands in the index of it, where it is one word there. */
  readonly term: string;
}

/** The different words of a query, in its order. */
export function queryWords(query: string): readonly QueryWord[] {
  const words = new Map<string, QueryWord>();
  for (const part of query.toWellFormed().split(/\s+/)) {
    const word = part.slice(0, MAX_WORD_CHARS).toWellFormed();
    const text = searchable(word).toLowerCase().replaceAll('"', ' ').trim();
    if (!WORD_SIGN.test(text)) continue;
    const phrase = `"${text}"`;
    const term = text.normalize('NFD').replace(/\p{Mn}/gu, '');
    if (!words.has(phrase)) words.set(phrase, { word, phrase, term });
    if (words.size === MAX_WORDS) break;
  }
  return [...words.values()];
}
