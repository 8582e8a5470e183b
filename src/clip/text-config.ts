import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { invalid } from './invalid.ts';
import { OPEN_CLIP_CLEANINGS, type TextCleaning } from './text-cleaning.ts';
import type { TokenizerConfig } from './tokenizer.ts';

const COUNT = z.int().min(1);

/** What config.json says of the text half: transformers' names, and open_clip's (in `text_cfg`). */
export const TEXT_CONFIG = {
  text_config: z
    .looseObject({
      max_position_embeddings: COUNT.min(2).optional(),
      projection_dim: COUNT.optional(),
      projection_size: COUNT.nullish(),
      hidden_size: COUNT.optional(),
    })
    .optional(),
  text_cfg: z
    .looseObject({
      context_length: COUNT.min(2).default(77),
      hf_model_name: z.string().nullish(),
      hf_tokenizer_name: z.string().nullish(),
      no_causal_mask: z.boolean().default(false),
      embed_cls: z.boolean().default(false),
      pool_type: z.string().default('argmax'),
      tokenizer_kwargs: z
        .looseObject({ clean: z.string().optional(), strip_sep_token: z.boolean().default(false) })
        .nullish(),
    })
    .optional(),
};
type TextConfig = z.infer<z.ZodObject<typeof TEXT_CONFIG>> & { readonly model_type?: string | undefined };

/** How a model wants its captions. */
export interface TextRules {
  /** Whether a token sees only those before it (CLIP), so that padding may be left out. */
  readonly causal: boolean;
  /** Whether it was trained on captions of one length and reads their padding like any token (SigLIP). */
  readonly readsPadding: boolean;
  /** How captions are cleaned; undefined: as the tokenizer's class says. */
  readonly cleaning?: TextCleaning;
}

/**
 * @throws GleanerError MODEL_INVALID where captions are prepared in a way that is not followed here, or the padding that the
 * model reads has no name: ids would be wrong in silence
 */
export function textRules(
  dir: string,
  { model_type, text_cfg }: TextConfig,
  openClip: boolean,
  { pad_token }: TokenizerConfig,
): TextRules {
  const rules = openClip && text_cfg ? openClipRules(dir, text_cfg) : hubRules(model_type);
  const paddingCounts = rules.readsPadding || (openClip && !rules.causal);
  if (paddingCounts && pad_token == null)
    throw invalid(
      dir,
      `${openClip ? 'textual/' : ''}tokenizer_config.json`,
      'is missing or names no pad_token, which this model reads; take it from where the model is published',
    );
  return rules;
}

function hubRules(modelType: string | undefined): TextRules {
  return { causal: modelType === 'clip', readsPadding: modelType?.startsWith('siglip') ?? false };
}

/** open_clip/factory.py, get_tokenizer; and transformer.py, TextTransformer. */
function openClipRules(dir: string, text: NonNullable<TextConfig['text_cfg']>): TextRules {
  const own = text.hf_model_name == null;
  const { clean = text.hf_tokenizer_name == null && own ? 'lower' : 'whitespace', strip_sep_token } =
    text.tokenizer_kwargs ?? {};
  const cleaning = OPEN_CLIP_CLEANINGS.find((known) => known === clean);
  if (cleaning === undefined)
    throw invalid(
      dir,
      'config.json',
      `wants texts cleaned by '${clean}', which is not followed (${OPEN_CLIP_CLEANINGS.join(', ')} are)`,
    );
  if (strip_sep_token)
    throw invalid(dir, 'config.json', 'wants strip_sep_token of its tokenizer, which is not followed');
  const causal = own && !text.no_causal_mask && !text.embed_cls && text.pool_type === 'argmax';
  // A tower of transformers' (hf_model_name) masks the padding itself, by its id.
  return { causal, readsPadding: own && !causal, cleaning };
}

/** SigLIP's published config.json leaves out what its classes have as defaults (configuration_siglip.py, SiglipTextConfig). */
const SIGLIP = { hidden_size: 768, max_position_embeddings: 64 };

/** Width of embeddings and most tokens of a caption, as far as config.json says. */
export function textSizes(
  config: TextConfig & {
    readonly projection_dim?: number | undefined;
    readonly embed_dim?: number | undefined;
  },
): { readonly dimension: number | undefined; readonly contextLength: number | undefined } {
  const { text_config: text = {}, text_cfg, model_type, projection_dim, embed_dim } = config;
  const isSiglip = model_type?.startsWith('siglip') ?? false;
  const hidden = isSiglip ? (text.projection_size ?? text.hidden_size ?? SIGLIP.hidden_size) : undefined;
  return {
    dimension: projection_dim ?? text.projection_dim ?? embed_dim ?? hidden,
    contextLength:
      text.max_position_embeddings ??
      text_cfg?.context_length ??
      (isSiglip ? SIGLIP.max_position_embeddings : undefined),
  };
}

/** What tokenizers are published as beside tokenizer.json, or in its place. */
const OTHER_FORMS = ['spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model', 'vocab.txt', 'vocab.json'];

/** What to do where tokenizer.json is missing but another form of the tokenizer is there; '' where none is. */
export function otherForm(dir: string, folder: string): string {
  const found = OTHER_FORMS.find((file) => existsSync(join(dir, folder, file)));
  return found === undefined
    ? ''
    : ` (${folder}${found} alone is not read: take tokenizer.json from the model's ONNX repository, or write it with transformers: AutoTokenizer.from_pretrained('.', use_fast=True).save_pretrained('.'))`;
}
