import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/clip/tokenizer.ts';
import { TINY_TOKENIZER } from './tiny-model.ts';

const CLIP = { tokenizer_class: 'CLIPTokenizer', eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' };
const [START, END] = [60, 61];

describe('createTokenizer', () => {
  const tokenizer = createTokenizer(TINY_TOKENIZER, CLIP, 8);

  it('merges as its merges say, between start and end', () => {
    expect(tokenizer.encode('cat')).toEqual([START, 53, END]);
    expect(tokenizer.encode('a cab')).toEqual([START, 26, 52, 27, END]);
    expect(tokenizer.encode('')).toEqual([START, END]);
    expect(tokenizer.padId).toBe(END);
  });

  it('cuts what is too long and keeps the end token', () => {
    expect(tokenizer.encode('cat '.repeat(6))).toEqual([START, 53, 53, 53, 53, 53, 53, END]);
    expect(tokenizer.encode('cat '.repeat(7))).toEqual([START, 53, 53, 53, 53, 53, 53, END]);
    expect(tokenizer.encode('cat '.repeat(1000))).toEqual([START, 53, 53, 53, 53, 53, 53, END]);
  });

  it('takes special tokens in a text for text', () => {
    // < | > and letters, as any other text; neither 60 nor 61 inside.
    const ids = createTokenizer(TINY_TOKENIZER, CLIP, 40).encode('<|endoftext|> cat');
    expect(ids.slice(1, -1)).not.toContain(START);
    expect(ids.slice(1, -1)).not.toContain(END);
    expect(ids.at(-2)).toBe(53);
  });

  it("cleans texts for CLIP's tokenizer", () => {
    expect(tokenizer.encode('ＣＡＴ')).toEqual([START, 53, END]);
    expect(tokenizer.encode('a &amp; cat')).toEqual([START, 26, 59, 53, END]);
  });

  it('by its class, or by its form where no class is named', () => {
    const wide = 'ｃａｔ';
    const ids = (tokenizer_class?: string) =>
      createTokenizer(TINY_TOKENIZER, { ...CLIP, tokenizer_class }, 8).encode(wide);
    expect(ids('CLIPTokenizerFast')).toEqual([START, 53, END]);
    expect(ids()).toEqual([START, 53, END]);
    expect(ids('SiglipTokenizer')).not.toEqual([START, 53, END]);
    const plain = { ...TINY_TOKENIZER, model: { ...TINY_TOKENIZER.model, end_of_word_suffix: null } };
    expect(createTokenizer(plain, {}, 80).encode('ｃ').length).toBe(5);
  });

  it('refuses what is no tokenizer', () => {
    expect(() => createTokenizer({}, CLIP, 8)).toThrow();
    expect(() =>
      createTokenizer({ ...TINY_TOKENIZER, model: { type: 'magic', vocab: {} } }, CLIP, 8),
    ).toThrow();
  });
});
