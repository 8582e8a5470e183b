import { z } from 'zod';

/** vocab.json: id of each token. */
export const VOCABULARY = z.record(z.string(), z.int().min(0));

/** CLIP's words (openai/CLIP, simple_tokenizer.py), as transformers' CLIPConverter writes them for Rust. */
const WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
const [START, END] = ['<|startoftext|>', '<|endoftext|>'];

/**
 * The tokenizer.json that CLIP's older pair of files stands for: vocab.json, and merges.txt with one merge a line under a
 * line with a version. The same values as transformers' CLIPConverter gives.
 *
 * @throws Error that says what is wrong, where the vocabulary is not CLIP's
 */
export function tokenizerOfBpeFiles(vocab: z.infer<typeof VOCABULARY>, mergesText: string): unknown {
  const lines = mergesText.split(/\r?\n/).filter((line) => line !== '');
  const merges = lines[0]?.startsWith('#version') ? lines.slice(1) : lines;
  const broken = merges.findIndex((line) => line.split(' ').length !== 2);
  if (broken >= 0) throw new Error(`merges.txt: merge ${broken + 1} is not two parts`);
  const [startId, endId] = [vocab[START], vocab[END]];
  if (startId === undefined || endId === undefined) throw new Error(`vocab.json has no ${START} or ${END}`);
  const special = (id: number, content: string) => ({ id, content, special: true, normalized: false });
  return {
    added_tokens: [special(startId, START), special(endId, END)],
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
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [END, endId],
      cls: [START, startId],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      unk_token: END,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  };
}
