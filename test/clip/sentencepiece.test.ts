/**
 * SigLIP and XLM-RoBERTa against transformers and open_clip: ids and embeddings of the models in made/, which have random
 * weights and vocabularies of our own (made/make.py). The tables of characters are made small; made with
 * `--rules nmt_nfkc` they are those of the published models.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCharsmap } from '../../src/clip/charsmap.ts';
import { loadClip } from '../../src/clip/index.ts';
import type { TextCleaning } from '../../src/clip/text-cleaning.ts';
import { createTokenizer, TOKENIZER_CONFIG } from '../../src/clip/tokenizer.ts';
import { decodeImage } from '../../src/image/index.ts';
import { sharedData } from '../image/shared-data.ts';
import { cosine } from './cosine.ts';

/** `_slow`, `_newer`, `open_clip_xlm_roberta`: only where they differ. */
interface Ids {
  readonly siglip: readonly number[];
  readonly siglip_slow?: readonly number[];
  readonly open_clip_siglip: readonly number[];
  readonly xlm_roberta: readonly number[];
  readonly xlm_roberta_slow?: readonly number[];
  readonly xlm_roberta_newer?: readonly number[];
  readonly open_clip_xlm_roberta?: readonly number[];
}
interface Embedded {
  readonly texts: readonly (readonly number[])[];
  readonly images: readonly (readonly number[])[];
}
interface Expected {
  readonly captions: readonly (Ids & { readonly text: string })[];
  /** Of the texts of the shared fixture; null where the text is none. */
  readonly shared: readonly (Ids | null)[];
  readonly embedded: readonly string[];
  readonly images: readonly string[];
  readonly siglip: Embedded;
  readonly xlm_roberta: Embedded;
}

const MADE = process.env.GLEANER_MADE_MODELS ?? join(import.meta.dirname, 'made');
const read = (path: string) => JSON.parse(readFileSync(join(MADE, path), 'utf8'));
const expected: Expected = read('expected.json');
const fixture = sharedData('peers/clip/fixture');
const sharedTexts: readonly string[] = fixture
  ? JSON.parse(readFileSync(`${fixture}/expected.json`, 'utf8')).tokens.map(
      (token: { text: string }) => token.text,
    )
  : [];

const cases = [
  ...expected.captions,
  ...sharedTexts.flatMap((text, i) => {
    const ids = expected.shared[i];
    return ids ? [{ text, ...ids }] : [];
  }),
];

function tokenizer(dir: string, contextLength: number, cleaning?: TextCleaning, changes: object = {}) {
  const json = { ...read(`${dir}/tokenizer.json`), ...changes };
  const config = TOKENIZER_CONFIG.parse(read(`${dir}/tokenizer_config.json`));
  return createTokenizer(json, config, contextLength, cleaning);
}

/** Texts whose ids are not those expected. */
function differing(
  { encode }: ReturnType<typeof tokenizer>,
  right: (ids: Ids) => readonly (readonly number[])[],
): readonly string[] {
  const wrong = cases.filter(
    (ids) => !right(ids).some((one) => JSON.stringify(one) === JSON.stringify(encode(ids.text))),
  );
  return wrong.map(({ text }) => text);
}

describe('tokenizers of SentencePiece models', () => {
  it("SigLIP's: ids of transformers, fast or slow", () => {
    const wrong = differing(tokenizer('siglip', 64), ({ siglip, siglip_slow = siglip }) => [
      siglip,
      siglip_slow,
    ]);
    // Names of special tokens are text: in the authors' code they lose their punctuation like any.
    expect(wrong.filter((text) => !/<(?:unk|pad|\/s)>/.test(text))).toEqual([]);
  });

  it("SigLIP's with a tokenizer.json that does not clean: its class says that it is to be", () => {
    const { normalizer } = read('siglip/tokenizer.json');
    const table = normalizer.normalizers.find((step: { type: string }) => step.type === 'Precompiled');
    const changes = { normalizer: table };
    const { encode } = tokenizer('siglip', 64, undefined, changes);
    expect(encode('A Red, APPLE.')).toEqual(encode('a red apple'));
  });

  it("SigLIP's as open_clip has it: a T5 tokenizer behind its own cleaning", () => {
    const changes = read('open_clip_siglip.json');
    const ours = read('siglip/tokenizer.json').normalizer.normalizers;
    const table = ours.find((step: { type: string }) => step.type === 'Precompiled');
    changes.normalizer.normalizers[0] = table;
    const wrong = differing(tokenizer('siglip', 64, 'canonicalize', changes), (ids) => [
      ids.open_clip_siglip,
    ]);
    expect(wrong).toEqual([]);
  });

  it("XLM-RoBERTa's: ids of transformers, as published and as written today", () => {
    expect(differing(tokenizer('xlm-roberta/textual', 77), (ids) => [ids.xlm_roberta])).toEqual([]);
    const table = read('xlm-roberta/textual/tokenizer.json').normalizer;
    const strip = { type: 'Strip', strip_left: false, strip_right: true };
    const fold = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' };
    const changes = {
      normalizer: { type: 'Sequence', normalizers: [table, strip, fold] },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    };
    const newer = tokenizer('xlm-roberta/textual', 77, undefined, changes);
    expect(
      differing(newer, ({ xlm_roberta, xlm_roberta_newer = xlm_roberta }) => [xlm_roberta_newer]),
    ).toEqual([]);
  });

  it("XLM-RoBERTa's as open_clip has it: texts are mended first", () => {
    const wrong = differing(
      tokenizer('xlm-roberta/textual', 77, 'whitespace'),
      ({ xlm_roberta, open_clip_xlm_roberta = xlm_roberta }) => [open_clip_xlm_roberta],
    );
    expect(wrong).toEqual([]);
  });

  it('ids of any text are whole numbers of the vocabulary, at most as many as the model takes', () => {
    const { encode } = tokenizer('siglip', 64);
    for (const text of ['lone\ud800surrogate', '\udc00', '\u0000', 'a'.repeat(10_000)]) {
      const ids = encode(text);
      expect(ids.every(Number.isInteger)).toBe(true);
      expect(ids.length).toBeLessThanOrEqual(64);
      expect(ids.at(-1)).toBe(1);
    }
  });
});

describe('readCharsmap', () => {
  it('takes the empty table and refuses one that is cut off', () => {
    expect(readCharsmap('')('ﬁ Å')).toBe('ﬁ Å');
    const { normalizer } = read('xlm-roberta/textual/tokenizer.json');
    const table: string = normalizer.precompiled_charsmap;
    expect(readCharsmap(table)('ﬁ ＡＢ e\u0301')).toBe('fi AB é');
    for (const length of [1, 3, 4, 100])
      expect(() => readCharsmap(Buffer.from(table, 'base64').subarray(0, length).toString('base64'))).toThrow(
        /precompiled_charsmap: its trie is cut off/,
      );
  });
});

describe.each([
  ['siglip', 'siglip'],
  ['xlm-roberta', 'xlm_roberta'],
] as const)('a %s', (dir, key) => {
  it('embeds captions and pictures as its reference', async () => {
    const model = await loadClip(join(MADE, dir));
    const { texts, images } = expected[key];
    expect(model.dimension).toBe(texts[0]?.length);
    const row = (rows: Float32Array, i: number) =>
      rows.subarray(i * model.dimension, (i + 1) * model.dimension);
    const rows = await model.embedTexts(expected.embedded);
    for (const [i, right] of texts.entries())
      expect(cosine(row(rows, i), right), expected.embedded[i]).toBeGreaterThanOrEqual(0.999_99);
    for (const [i, name] of expected.images.entries()) {
      const bytes = readFileSync(join(MADE, 'images', name));
      const image = await decodeImage(bytes, { minBytes: 0, maxPixels: 1e6, formats: ['png'] });
      if (!image.kept) throw new Error(image.detail);
      const embedding = await model.embedImages([image.value]);
      expect(cosine(embedding, images[i] ?? []), name).toBeGreaterThanOrEqual(0.999);
    }
    // A network that ignores its ids would pass the above alone.
    const other = texts[expected.embedded.indexOf('a|b\\c')] ?? [];
    expect(cosine(row(rows, 0), other)).toBeLessThan(0.99);
    await model.close();
  });
});
