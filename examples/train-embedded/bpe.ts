/**
 * Byte-pair encoding as CLIP does it (Radford et al. 2021; openai/CLIP simple_tokenizer.py): lower case, CLIP's
 * word pattern, bytes as printable characters, `</w>` at the end of a word. Only the list of merges is our own.
 */
import type { Rng } from '../autodiff/rng.ts';

/** CLIP's word pattern, without the two special tokens. */
export const WORD_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
const WORDS = new RegExp(WORD_PATTERN, 'giu');
export const END_OF_WORD = '</w>';
export const START_TOKEN = '<|startoftext|>';
export const END_TOKEN = '<|endoftext|>';
/** CLIP's longest text, start and end tokens included. */
export const CONTEXT_LENGTH = 77;

/** GPT-2's printable stand-ins for the 256 bytes: itself where printable, else a character from U+0100 on. */
const BYTE_SYMBOLS: readonly string[] = (() => {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b < 173) || b > 173;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
})();
/** Order of the alphabet in CLIP's vocabulary: printable bytes first. */
const ALPHABET: readonly string[] = [...BYTE_SYMBOLS].sort((a, b) => {
  const late = (s: string) => Number((s.codePointAt(0) ?? 0) >= 256);
  return late(a) - late(b) || (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
});

export type Merge = readonly [left: string, right: string];

/** Words of a text after CLIP's normalisation. */
export function wordsOf(text: string): string[] {
  return text.normalize('NFC').replace(/\s+/g, ' ').toLowerCase().match(WORDS) ?? [];
}

function symbolsOf(word: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(word), (b) => BYTE_SYMBOLS[b]!);
  symbols[symbols.length - 1] += END_OF_WORD;
  return symbols;
}

const pairKey = (left: string, right: string): string => `${left} ${right}`;

function mergePair(symbols: readonly string[], key: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const [left, right] = [symbols[i]!, symbols[i + 1]];
    if (right !== undefined && pairKey(left, right) === key) {
      merged.push(left + right);
      i += 1;
    } else merged.push(left);
  }
  return merged;
}

/**
 * Learns merges from words and how often each occurs: again and again the commonest pair of neighbours (of equals
 * the one that sorts last), until there are enough or no pair occurs twice.
 */
export function learnMerges(counts: ReadonlyMap<string, number>, limit: number): Merge[] {
  const words = [...counts].map(([word, count]) => ({ symbols: symbolsOf(word), count }));
  const pairs = new Map<string, { count: number; words: Set<number> }>();
  const tally = (index: number, sign: 1 | -1) => {
    const { symbols, count } = words[index]!;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const key = pairKey(symbols[i]!, symbols[i + 1]!);
      const pair = pairs.get(key) ?? { count: 0, words: new Set() };
      pair.count += sign * count;
      if (sign > 0) pair.words.add(index);
      pairs.set(key, pair);
    }
  };
  for (const index of words.keys()) tally(index, 1);
  const merges: Merge[] = [];
  while (merges.length < limit) {
    let best = '';
    let bestCount = 1;
    for (const [key, { count }] of pairs) {
      if (count > bestCount || (count === bestCount && count > 1 && key > best))
        [best, bestCount] = [key, count];
    }
    if (best === '') break;
    const [left = '', right = ''] = best.split(' ');
    merges.push([left, right]);
    for (const index of pairs.get(best)?.words ?? []) {
      tally(index, -1);
      words[index]!.symbols = mergePair(words[index]!.symbols, best);
      tally(index, 1);
    }
    pairs.delete(best);
  }
  return merges;
}

/** Counts the words of many texts. */
export function countWords(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Turns texts into token ids. */
export class BpeEncoder {
  readonly merges: readonly Merge[];
  /** Token → id, in CLIP's order: bytes, bytes at the end of a word, merges, start, end. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly startId: number;
  readonly endId: number;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #cache = new Map<string, readonly number[]>();

  constructor(merges: readonly Merge[]) {
    this.merges = merges;
    const tokens = [...ALPHABET, ...ALPHABET.map((s) => s + END_OF_WORD), ...merges.map((m) => m.join(''))];
    this.startId = tokens.length;
    this.endId = tokens.length + 1;
    this.vocabulary = new Map([...tokens, START_TOKEN, END_TOKEN].map((token, id) => [token, id]));
    this.#ranks = new Map(merges.map(([left, right], rank) => [pairKey(left, right), rank]));
  }

  get size(): number {
    return this.endId + 1;
  }

  /**
   * Token ids of a text's words, without start and end.
   *
   * @param dropout - While training: lets this share of merges be passed over at random, so that rarer pieces of
   *   words are learnt too (BPE-dropout, Provilkov et al. 2020).
   */
  encodeWords(text: string, dropout?: { readonly share: number; readonly rng: Rng }): number[] {
    return wordsOf(text).flatMap((word) => {
      if (dropout !== undefined) return this.#encodeWord(word, (_key) => dropout.rng.chance(dropout.share));
      const known = this.#cache.get(word);
      if (known !== undefined) return known;
      const ids = this.#encodeWord(word, () => false);
      this.#cache.set(word, ids);
      return ids;
    });
  }

  /** Token ids of a text as the model takes them: start, words, end; at most {@link CONTEXT_LENGTH}. */
  encode(text: string): number[] {
    return [this.startId, ...this.encodeWords(text).slice(0, CONTEXT_LENGTH - 2), this.endId];
  }

  #encodeWord(word: string, passOver: (key: string) => boolean): number[] {
    let symbols = symbolsOf(word);
    for (;;) {
      let best: string | undefined;
      let bestRank = Infinity;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const key = pairKey(symbols[i]!, symbols[i + 1]!);
        const rank = this.#ranks.get(key) ?? Infinity;
        if (rank < bestRank && !passOver(key)) [best, bestRank] = [key, rank];
      }
      if (best === undefined) break;
      symbols = mergePair(symbols, best);
    }
    return symbols.map((symbol) => this.vocabulary.get(symbol) ?? this.endId);
  }
}
