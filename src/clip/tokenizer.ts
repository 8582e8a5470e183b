import { Tokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { cleanClipText } from './text-cleaning.ts';

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
  pad_token: TOKEN,
});
export type TokenizerConfig = z.infer<typeof TOKENIZER_CONFIG>;

/**
 * Makes the tokenizer of a model from its published files.
 *
 * Captions are cleaned as CLIP's reference does ({@link cleanClipText}) where the tokenizer is CLIP's: its class in
 * tokenizer_config.json is CLIPTokenizer or CLIPTokenizerFast or, where no class is named, its model is a BPE that
 * marks ends of words with `</w>`. Any other tokenizer gets the text as it is.
 *
 * A caption cannot smuggle special tokens in: `<|endoftext|>` in a text is text, as in the reference.
 *
 * @param json - Contents of tokenizer.json.
 * @param contextLength - Most tokens that the model takes, at least 2.
 * @throws Error (zod's or the library's) where `json` is no tokenizer.
 */
export function createTokenizer(
  json: unknown,
  config: TokenizerConfig,
  contextLength: number,
): ClipTokenizer {
  const parsed = TOKENIZER_JSON.parse(json);
  const { vocab } = parsed.model;
  const known = new Set(typeof vocab === 'object' && vocab !== null ? Object.keys(vocab) : []);
  // The library looks for added tokens in every text. Those that the vocabulary holds too are found without that.
  const added_tokens = parsed.added_tokens.filter((t) => t.special !== true || !known.has(t.content));
  const tokenizer = new Tokenizer({ ...parsed, added_tokens }, config);
  const idOf = (token: string | null | undefined) =>
    token == null ? undefined : tokenizer.token_to_id(token);
  const idsOf = (text: string): readonly number[] => tokenizer.encode(text).ids;
  const endId = idOf(config.eos_token);
  const clean = isClip(parsed.model, config.tokenizer_class)
    ? cleanClipText
    : (text: string) => text.toWellFormed();
  // The library accepts models that it then cannot use; one word shows it.
  if (!idsOf('a').every(Number.isInteger)) throw new Error('it gives no ids');
  return {
    padId: idOf(config.pad_token) ?? 0,
    encode(text) {
      const ids = idsOf(clean(text));
      if (ids.length <= contextLength) return ids;
      const cut = ids.slice(0, contextLength);
      if (endId !== undefined && ids.at(-1) === endId) cut[contextLength - 1] = endId;
      return cut;
    },
  };
}

function isClip(
  model: { readonly type?: string | undefined; readonly end_of_word_suffix?: string | null | undefined },
  tokenizerClass: string | null | undefined,
): boolean {
  if (tokenizerClass) return /^CLIPTokenizer(?:Fast)?$/.test(tokenizerClass);
  return model.type === 'BPE' && model.end_of_word_suffix === '</w>';
}
