import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { getLIDModel } from 'fasttext.wasm.js';
import { describe, expect, test } from 'vitest';
import { parseFastText, parseWat, readWarc } from '../../src/formats/index.ts';
import { createClassifier } from '../../src/stages/fasttext/classifier.ts';
import { hasShared, inChunks, sharedPath } from '../formats/support.ts';

const MODEL = fileURLToPath(import.meta.resolve('fasttext.wasm.js/dist/fastText/models/lid.176.ftz'));
const bytes = readFileSync(MODEL);
const classify = createClassifier(parseFastText(bytes, MODEL));
// fastText itself, compiled to WebAssembly.
const reference = await (await getLIDModel()).load();

/** What fastText says of a line, best guess first. */
function predicted(line: string, k: number): { label: string; probability: number }[] {
  const guesses = reference.predict(line, k, 0);
  try {
    return Array.from({ length: guesses.size() }, (_, i) => {
      const [probability, label] = guesses.get(i);
      return { label: label.replace('__label__', ''), probability };
    });
  } finally {
    guesses.delete();
  }
}

type Guesses = readonly { readonly label: string; readonly probability: number }[];

/** Both leave out what is less likely than 10⁻⁵, each by its own rounding. */
const alike = (a = 0, b = 0) => Math.abs(a - b) < (a === 0 || b === 0 ? 1.1e-5 : 1e-5);
const likeliness = (label: string, of: Guesses) => of.find((guess) => guess.label === label)?.probability;

/** How we differ from fastText. Of labels that are as likely but for rounding, either may come first. */
function difference(line: string): unknown {
  const own = classify(line, 2);
  const theirs = predicted(line, 2);
  let all: Guesses | undefined;
  for (const i of [0, 1]) {
    const guess = own[i];
    if (alike(guess?.probability, theirs[i]?.probability) && guess?.label === theirs[i]?.label) continue;
    all ??= predicted(line, 176);
    if (alike(guess?.probability, theirs[i]?.probability))
      if (!guess || alike(guess.probability, likeliness(guess.label, all))) continue;
    return { line, own, theirs };
  }
  return undefined;
}

const differences = (lines: Iterable<string>) =>
  [...lines].flatMap((line) => difference(line) ?? []).slice(0, 5);

test.each([
  '',
  ' ',
  'a',
  'red apple',
  '  red \t apple\r\v\f  ',
  'red\0apple',
  '</s>',
  'red </s> Apfel auf dem Tisch',
  '</s>Apfel',
  '__label__de Apfel',
  '__label__de',
  'Apfel__label__',
  '__label_',
  'Donaudampfschifffahrtsgesellschaftskapitän',
  '<apple> <> < >',
  'яблоко на столе',
  '蓝色背景上的红苹果',
  'تفاحة حمراء',
  'แอปเปิ้ลสีแดง',
  '🍎🍏 a\u0301pple é e\u0301',
  '\u{10ffff}\uffff\ufeff\u0080',
])('%j is what fastText takes it for', (line) => {
  expect(difference(line)).toBeUndefined();
});

test('words of any length', () => {
  // Words of up to 16 bytes are remembered.
  expect(differences(Array.from({ length: 40 }, (_, i) => `mit ${'Wörter'.repeat(7).slice(0, i)}`))).toEqual(
    [],
  );
  expect(difference('Ein Wort'.repeat(500))).toBeUndefined();
});

test('the best guess alone is the first of two', () => {
  for (const line of ['red apple', 'Apfel', 'mela rossa', 'ok', 'jabłko', '事'])
    expect(classify(line, 1)).toEqual(classify(line, 2).slice(0, 1));
});

describe('property', () => {
  // fastText reads a line; the caller of ours has none in its text.
  const unfed = (text: string) => text.replaceAll('\n', ' ');
  const words = fc.constantFrom(
    'red',
    'Apfel',
    'la',
    'pomme',
    'яблоко',
    '苹果',
    '</s>',
    '__label__',
    'x',
    'é',
    '1',
  );
  test.each([
    ['any characters', fc.string({ unit: 'binary', maxLength: 60 })],
    ['graphemes', fc.string({ unit: 'grapheme', maxLength: 60 })],
    [
      'words',
      fc.array(fc.oneof(words, fc.string({ unit: 'grapheme', maxLength: 8 }))).map((a) => a.join(' ')),
    ],
  ])('%s', (_, texts) => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(difference(unfed(text))).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });
});

const ANNOTATIONS = fileURLToPath(
  new URL('../../node_modules/cldr-annotations-full/annotations/', import.meta.url),
);

test.skipIf(!existsSync(ANNOTATIONS))('names of emoji in all languages of CLDR', () => {
  const names = new Set<string>();
  for (const language of readdirSync(ANNOTATIONS)) {
    const file = readFileSync(join(ANNOTATIONS, language, 'annotations.json'), 'utf8');
    const { annotations } = JSON.parse(file) as {
      annotations: { annotations?: Record<string, { default?: string[]; tts?: string[] }> };
    };
    // 3,000 texts with more words than are remembered.
    Object.values(annotations.annotations ?? {}).forEach(({ tts = [], default: words = [] }, i) => {
      if (i % 80 === 0) names.add([...tts, ...words].join(' '));
    });
  }
  expect(names.size).toBeGreaterThan(2000);
  expect(differences(names)).toEqual([]);
  // What is remembered from before does not change what is said.
  const fresh = createClassifier(parseFastText(bytes, MODEL));
  for (const name of [...names].reverse()) expect(fresh(name, 2)).toEqual(classify(name, 2));
});

test.skipIf(!hasShared)('alternative texts of real WATs (skipped without ../shared/data)', async () => {
  const texts = new Set<string>();
  for (const name of ['genuine/whirlwind', 'generated/gimp-help-en', 'generated/mdn-learning-area']) {
    const path = sharedPath(`data/wat/${name}.warc.wat.gz`);
    const source = readWarc(inChunks(readFileSync(path)), { path, fileKind: 'WAT', maxRecordBytes: 1e8 });
    for await (const entry of source) {
      if (entry.kind === 'damage' || entry.type !== 'metadata') continue;
      const page = parseWat(entry.payload, { decodeEntities: true });
      for (const { alt = '' } of page.kept ? page.value.links : []) texts.add(alt.replaceAll('\n', ' '));
    }
  }
  expect(texts.size).toBeGreaterThan(500);
  expect(differences(texts)).toEqual([]);
});

test('a model that is cut, of another kind, or none at all', () => {
  for (const length of [0, 7, 8, 60, 100, 5000, 300_000, 500_000, 930_000, bytes.length - 1])
    expect(() => parseFastText(bytes.subarray(0, length), 'x.ftz')).toThrow(
      /^x\.ftz: is (no|a) fastText model/,
    );
  // Its places by the order in which fastText writes its arguments: version, words in a row, loss.
  for (const [at, problem] of [
    [0, 'format version 12'],
    [4, 'format version 12'],
    [28, 'single words'],
    [32, 'labels in a tree'],
  ] as const) {
    const other = Uint8Array.from(bytes);
    other[at] = 7;
    expect(() => parseFastText(other, 'x.ftz')).toThrow(`x.ftz: is no fastText model with ${problem}`);
  }
});
