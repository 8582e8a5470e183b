/** Scripts that are written without spaces between words (Unicode Line Breaking, UAX #14: ID and SA). */
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan'];
const UNSPACED_CHARACTER = new RegExp(
  `[${UNSPACED.map((script) => `\\p{Script_Extensions=${script}}`).join('')}]`,
  'u',
);

/** What a word may not stand right beside: letters, their marks, and numbers. */
const WORD = '[\\p{L}\\p{M}\\p{N}]';

/**
 * Finds the first of the words and phrases that stands whole in a text, as `foldWord` has it.
 *
 * Whole: no letter, mark or number stands beside it. At an edge where the word itself has a letter of a script that is
 * written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) anything may stand beside it: without a
 * dictionary of all words nobody knows where one ends, so that more is found there than is meant, and never less.
 * Inflected forms, and forms with particles as in Korean, are words of their own: a list has to name them.
 */
export function wordFinder(words: readonly string[]): (text: string) => string | undefined {
  const folded = [...new Set(words.map(foldWord))].filter((word) => word !== '');
  if (folded.length === 0) return () => undefined;
  // One look to each side for all words of a kind: one for each word takes V8 seconds to compile for some hundreds.
  const kinds = Map.groupBy(
    folded.toSorted((a, b) => b.length - a.length),
    edgesOf,
  );
  const alternatives = [...kinds].map(([edges, group]) => {
    const [before = '', after = ''] = edges.split('…');
    return `${before}(?:${group.map(escaped).join('|')})${after}`;
  });
  const pattern = new RegExp(alternatives.join('|'), 'u');
  return (text) => pattern.exec(foldWord(text))?.[0];
}

/** What has to be true before and after a word, as patterns with '…' between. */
function edgesOf(word: string): string {
  const [first = '', ...rest] = word;
  const last = rest.at(-1) ?? first;
  const before = UNSPACED_CHARACTER.test(first) ? '' : `(?<!${WORD})`;
  const after = UNSPACED_CHARACTER.test(last) ? '' : `(?!${WORD})`;
  return `${before}…${after}`;
}

function escaped(word: string): string {
  return word.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/**
 * A text as words are compared: compatibility forms (NFKC: ＫＩＤ is kid), any case, what is not seen (soft hyphens, joiners)
 * left out, white space as one blank. Case is folded over capitals, so that ß is ss, both sigmas are one, and dotless and
 * dotted i are i in Turkish as elsewhere. Accents count.
 */
function foldWord(text: string): string {
  return text
    .normalize('NFKC')
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ')
    .replaceAll('i̇', 'i')
    .normalize('NFC')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
