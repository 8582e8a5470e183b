import { Tokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { followReference, splitAtNextLine } from './normalizer.ts';
import { cleanText, type TextCleaning } from './text-cleaning.ts';

/** Turns captions into token ids as one model wants them. */
export interface ClipTokenizer {
  /** Fills a batch behind a caption's end. */
  readonly padId: number;
  /** Ids with start and end token, at most `contextLength`; a longer caption is cut and keeps its end token. */
  encode(text: string): readonly number[];
}

const TOKENIZER_JSON = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string(), special: z.boolean().optional() })),
  model: z.looseObject({
    type: z.string().optional(),
    end_of_word_suffix: z.string().nullish(),
    vocab: z.unknown(),
  }),
  normalizer: z.unknown(),
  pre_tokenizer: z.unknown(),
  post_processor: z.unknown(),
  decoder: z.unknown(),
});
const TOKEN = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform((t) => t.content)])
  .nullish();
export const TOKENIZER_CONFIG = z.looseObject({
  tokenizer_class: z.string().nullish(),
  model_max_length: z.number().nullish(),
  eos_token: TOKEN,
  sep_token: TOKEN,
  pad_token: TOKEN,
});
export type TokenizerConfig = z.infer<typeof TOKENIZER_CONFIG>;

/**
 * Makes the tokenizer of a model from its published files.
 *
 * Unless `cleaning` says how, captions are cleaned as CLIP's reference does ({@link cleanText}) where the tokenizer is
 * CLIP's: its class in tokenizer_config.json is CLIPTokenizer or CLIPTokenizerFast or, where no class is named, its model is
 * a BPE that marks ends of words with `</w>`; as SigLIP's does where its class is SiglipTokenizer. Any other tokenizer gets
 * the text as it is.
 *
 * In CLIP's and SigLIP's a caption cannot smuggle special tokens in: `<|endoftext|>` or `</s>` in a text is text, as in
 * the authors' code. To XLM-RoBERTa's `</s>` is the token, in transformers' slow and fast tokenizers alike.
 *
 * @param json - Contents of tokenizer.json.
 * @param contextLength - Most tokens that the model takes, at least 2.
 * @throws Error (zod's or the library's) where `json` is no tokenizer.
 */
export function createTokenizer(
  json: unknown,
  config: TokenizerConfig,
  contextLength: number,
  cleaning?: TextCleaning,
): ClipTokenizer {
  const parsed = TOKENIZER_JSON.parse(json);
  const { vocab } = parsed.model;
  const known = new Set(typeof vocab === 'object' && vocab !== null ? Object.keys(vocab) : []);
  // The library looks for added tokens in every text. Those that the vocabulary holds too are found without that.
  const added_tokens = parsed.added_tokens.filter((t) => t.special !== true || !known.has(t.content));
  const tokenizer = new Tokenizer({ ...parsed, added_tokens }, config);
  tokenizer.normalizer = splitAtNextLine(followReference(tokenizer.normalizer), parsed.pre_tokenizer);
  const idOf = (token: string | null | undefined) =>
    token == null ? undefined : tokenizer.token_to_id(token);
  const idsOf = (text: string): readonly number[] => tokenizer.encode(text).ids;
  const endId = idOf(config.eos_token ?? config.sep_token);
  const how = cleaning ?? cleaningOf(parsed.model, config.tokenizer_class);
  // The library accepts models that it then cannot use; one word shows it.
  if (!idsOf('a').every(Number.isInteger)) throw new Error('it gives no ids');
  return {
    padId: idOf(config.pad_token) ?? 0,
    encode(text) {
      const ids = idsOf(cleanText(text, how));
      if (ids.length <= contextLength) return ids;
      const cut = ids.slice(0, contextLength);
      if (endId !== undefined && ids.at(-1) === endId) cut[contextLength - 1] = endId;
      return cut;
    },
  };
}

function cleaningOf(
  model: { readonly type?: string | undefined; readonly end_of_word_suffix?: string | null | undefined },
  tokenizerClass: string | null | undefined,
): TextCleaning {
  if (tokenizerClass && /^SiglipTokenizer(?:Fast)?$/.test(tokenizerClass)) return 'siglip';
  const isClip = tokenizerClass
    ? /^CLIPTokenizer(?:Fast)?$/.test(tokenizerClass)
    : model.type === 'BPE' && model.end_of_word_suffix === '</w>';
  return isClip ? 'lower' : 'none';
}
