/**
 * Words that say nothing of what a picture shows: what joins words in the commonest languages of such releases, and what
 * all captions say of pictures. What else is in every region is left out by its weight.
 */
const STOP_WORDS = new Set(
  `a about after all also an and any are as at be been but by can com de del der des die das den dem do does du each ein eine
  el en es et few for from get go got had has have he her here his how i if il im in into is it its jpg jpeg la las le les
  los ma me mit more most mr mrs my na new no non nor not of off oh on one or our out over per photo photos picture
  pictures image images por que read see she so some stock su than that the their them then there these they this to too un
  una und une up us use uma van via voor von vs was we were what when where which who why will with www you your zu zum zur
  с в и на по для не от за из что как`.split(/\s+/),
);

/** Scripts that are written without spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const WORD = /[\p{L}\p{M}]+(?:['’-][\p{L}\p{M}]+)*/gu;
/** Characters a word; what is longer is no word of a language. */
const MOST_CHARS = 24;
let segmenter: Intl.Segmenter | undefined;

/** The words of a caption, each once, in small letters. */
export function wordsOf(caption: string): Set<string> {
  const text = caption.normalize('NFKC').toLowerCase();
  const words = new Set<string>();
  const take = (word: string) => {
    const enough = word.length >= (UNSPACED.test(word) ? 1 : 2);
    if (enough && word.length <= MOST_CHARS && !STOP_WORDS.has(word)) words.add(word);
  };
  if (UNSPACED.test(text)) {
    segmenter ??= new Intl.Segmenter(undefined, { granularity: 'word' });
    for (const { segment, isWordLike } of segmenter.segment(text))
      if (isWordLike && /\p{L}/u.test(segment)) take(segment);
  } else for (const [word] of text.matchAll(WORD)) take(word);
  return words;
}

/** Captions that hold each word, and how many captions there are. */
export interface WordCounts {
  captions: number;
  readonly words: Map<string, number>;
}

export function noWords(): WordCounts {
  return { captions: 0, words: new Map() };
}

export function addWords(counts: WordCounts, words: Iterable<string>): void {
  counts.captions++;
  for (const word of words) counts.words.set(word, (counts.words.get(word) ?? 0) + 1);
}

export function addCounts(to: WordCounts, from: WordCounts): void {
  to.captions += from.captions;
  for (const [word, count] of from.words) to.words.set(word, (to.words.get(word) ?? 0) + count);
}

/** Captions that hold a word at least, for it to name a region: one page's whim names nothing. */
const LEAST_CAPTIONS = 3;
/** Words that a region is told by. */
const TOLD_BY = 5;

/**
 * The words that tell a region from the rest, best first: by the share of its captions that hold a word, times how much
 * greater that share is than around (tf-idf with shares; the logarithm of their ratio is the word's part of the
 * Kullback-Leibler divergence).
 *
 * @param around regions that hold it: all captions, and its parent's
 */
export function tellingWords(region: WordCounts, around: readonly WordCounts[]): string[] {
  const scored: { word: string; score: number }[] = [];
  for (const [word, count] of region.words) {
    if (count < LEAST_CAPTIONS) continue;
    const share = count / region.captions;
    const score = around.reduce(
      (sum, { captions, words }) => sum + share * Math.log(share / ((words.get(word) ?? count) / captions)),
      0,
    );
    if (score > 0) scored.push({ word, score });
  }
  scored.sort((a, b) => b.score - a.score || (a.word < b.word ? -1 : 1));
  const told: string[] = [];
  const [best] = scored;
  for (const { word, score } of scored) {
    if (told.length === TOLD_BY || score < 0.2 * (best?.score ?? 0)) break;
    // 'dogs' after 'dog' says nothing more.
    if (!told.some((other) => stem(other) === stem(word))) told.push(word);
  }
  return told;
}

function stem(word: string): string {
  return word.length > 3 ? word.replace(/(?:'s|es|s|n|en)$/, '') : word;
}
