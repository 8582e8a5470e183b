import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BpeEncoder, countWords, learnMerges, wordsOf } from '../../examples/train-embedded/bpe.ts';
import { TOKENIZER_CONFIG, tokenizerJson } from '../../examples/train-embedded/tokenizer-files.ts';

const WORDS = 'red apple, green apple, pineapple; a drawing of a red panda, an illustration of the apples';
const encoder = new BpeEncoder(learnMerges(countWords([WORDS, WORDS]), 60));
const tokenizer = new Tokenizer(tokenizerJson(encoder), TOKENIZER_CONFIG);

describe('learnMerges', () => {
  test('merges the commonest pair first', () => {
    // "ab" stands 5 times, "bc" 3 times, as in Sennrich et al. 2016, algorithm 1
    const merges = learnMerges(
      new Map([
        ['abc', 3],
        ['abd', 2],
      ]),
      2,
    );
    expect(merges).toEqual([
      ['a', 'b'],
      ['ab', 'c</w>'],
    ]);
  });

  test('stops where no pair occurs twice', () => {
    expect(learnMerges(new Map([['xyz', 1]]), 10)).toEqual([]);
  });
});

describe('BpeEncoder', () => {
  test("takes CLIP's vocabulary order: bytes, bytes at the end of a word, merges, start, end", () => {
    const ids = encoder.vocabulary;
    expect([ids.get('!'), ids.get('!</w>')]).toEqual([0, 256]); // as in openai/clip-vit-base-patch32
    expect([ids.get('a'), ids.get('a</w>')]).toEqual([64, 320]);
    expect([encoder.startId, encoder.endId]).toEqual([encoder.size - 2, encoder.size - 1]);
  });

  test('words are those of the CLIP pattern', () => {
    expect(wordsOf("It's  2 CATS' naïve—meow!")).toEqual([
      'it',
      "'s",
      '2',
      'cats',
      "'",
      'naïve',
      '—',
      'meow',
      '!',
    ]);
  });

  test('a long text is cut to 77 tokens and still ends with the end token', () => {
    const ids = encoder.encode('panda '.repeat(200));
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([77, encoder.startId, encoder.endId]);
  });
});

describe('tokenizer.json read by @huggingface/tokenizers', () => {
  const same = (text: string): void => {
    expect(tokenizer.encode(text).ids, text).toEqual(encoder.encode(text));
  };

  test.each([
    '',
    '  ',
    'A drawing of a red apple',
    'Ünïcödé  ÇA!',
    '猫 cat',
    'ﬁne 12345 ½',
    'a\t\nb',
    '💩',
    "we'll 'S",
  ])('gives the same ids for %j', (text) => same(text));

  test('gives the same ids for any text', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.lorem({ maxCount: 6 }));
    fc.assert(
      fc.property(
        text.filter((t) => !t.includes('<|')),
        same,
      ),
    );
  });

  test('decodes to the text in lower case', () => {
    expect(tokenizer.decode(encoder.encode('Red Apple'), { skip_special_tokens: true }).trim()).toBe(
      'red apple',
    );
  });
});
