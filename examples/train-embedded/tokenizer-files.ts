/** The tokenizer as Hugging Face's files, in the form of openai/clip-vit-base-patch32's. */
import { type BpeEncoder, CONTEXT_LENGTH, END_OF_WORD, END_TOKEN, START_TOKEN, WORD_PATTERN } from './bpe.ts';

const added = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: true,
  special: true,
});

/** `tokenizer.json`. */
export function tokenizerJson(encoder: BpeEncoder): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [added(encoder.startId, START_TOKEN), added(encoder.endId, END_TOKEN)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [END_TOKEN, encoder.endId],
      cls: [START_TOKEN, encoder.startId],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: END_TOKEN,
      continuing_subword_prefix: '',
      end_of_word_suffix: END_OF_WORD,
      fuse_unk: false,
      vocab: Object.fromEntries(encoder.vocabulary),
      merges: encoder.merges.map((merge) => merge.join(' ')),
    },
  };
}

/** `tokenizer_config.json`. */
export const TOKENIZER_CONFIG = {
  tokenizer_class: 'CLIPTokenizer',
  model_max_length: CONTEXT_LENGTH,
  do_lower_case: true,
  add_prefix_space: false,
  errors: 'replace',
  bos_token: START_TOKEN,
  eos_token: END_TOKEN,
  unk_token: END_TOKEN,
  pad_token: END_TOKEN,
  clean_up_tokenization_spaces: true,
};

/** `special_tokens_map.json`. */
export const SPECIAL_TOKENS_MAP = {
  bos_token: START_TOKEN,
  eos_token: END_TOKEN,
  unk_token: END_TOKEN,
  pad_token: END_TOKEN,
};
