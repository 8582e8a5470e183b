import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getLIDModel } from 'fasttext.wasm.js';
import { expect, test } from 'vitest';
import { readParquetRows } from '../../src/formats/index.ts';
import { extract } from '../../src/stages/extract.ts';
import { loadLanguageDetector } from '../../src/stages/language.ts';
import { DROPPED_COLUMNS, readPairs } from '../../src/stages/tables.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { collect, hasShared, inChunks, sharedPath } from '../formats/support.ts';
import { watRecord } from '../support/crawl.ts';

const detect = await loadLanguageDetector();

test.each([
  ['en', 'a drawing of a red apple on a blue background'],
  ['en', 'red apple'],
  ['en', 'The “Flip & Rotate” submenu'],
  ['de', 'Ein roter Apfel auf blauem Grund'],
  ['fr', 'une pomme rouge sur fond bleu'],
  ['es', 'una manzana roja sobre fondo azul'],
  ['it', 'una mela rossa su sfondo azzurro'],
  ['pt', 'uma maçã vermelha sobre um fundo azul'],
  ['ru', 'красное яблоко на синем фоне'],
  ['ja', '青い背景の赤いりんご'],
  ['zh', '蓝色背景上的红苹果'],
  ['ko', '파란 배경의 빨간 사과'],
  ['und', '1234 — 56'],
  ['und', '🍎🍎'],
  ['und', ''],
])('%s: %s', (language, text) => {
  const found = detect(text);
  expect(found.language).toBe(language);
  expect(found.confidence).toBeGreaterThanOrEqual(0);
  expect(found.confidence).toBeLessThanOrEqual(1);
});

test('what is not written in Latin letters is never English', () => {
  for (const text of ['りんご', '苹果', 'яблоко', 'μήλο', 'תפוח', 'แอปเปิ้ล', '사과 apple 사과와 배'])
    expect([text, detect(text).language]).not.toEqual([text, 'en']);
});

test('line ends and long texts', () => {
  expect(detect('a drawing of\na red apple\r\non a table').language).toBe('en');
  expect(detect('ein roter Apfel auf dem Tisch '.repeat(10_000)).language).toBe('de');
});

test("a pair keeps fastText's probability beside the language; what was not looked at has 0", async () => {
  const texts = ['A red apple on a table', '1234 — 56', 'Ein roter Apfel auf dem Tisch', '🍎'];
  const model = await (await getLIDModel()).load();
  // fastText's own sums may pass 1 by a rounding error.
  const expected = (text: string) => Math.min(1, model.predict(text, 1, 0).get(0)[0]);
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-language-'));
  try {
    const storage = fileStorage(folder);
    const wat = watRecord(
      'http://a/',
      texts.map((alt, i) => ({ url: `http://a/${i}.png`, alt })),
    );
    await extract(
      { wat: 'a.wat', index: 0, buckets: 1 },
      {
        minTextChars: 5,
        maxTextChars: null,
        minTextWords: 1,
        languages: ['en', 'und'],
        maxRecordBytes: 1 << 20,
      },
      () => inChunks(wat, 1000),
      { storage, signal: new AbortController().signal, progress: () => undefined },
    );
    const pairs = await collect(readPairs(storage, 'pairs/00000.parquet'));
    expect(
      pairs.map(({ text, language, languageConfidence }) => [text, language, languageConfidence]),
    ).toEqual([
      [texts[0], 'en', expect.closeTo(expected(texts[0] ?? ''), 5)],
      [texts[1], 'und', 0],
    ]);
    expect(pairs[0]?.languageConfidence).toBeGreaterThan(0.1);
    const source = await storage.open('dropped/extract/00000.parquet');
    const dropped = await collect(readParquetRows(source, DROPPED_COLUMNS)).finally(() => source.close());
    expect(dropped.map((row) => [row.reason, row.language, row.language_confidence])).toEqual([
      ['language', 'de', expect.closeTo(expected(texts[2] ?? ''), 5)],
      ['text_short', 'und', 0],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.skipIf(!hasShared)(
  '98 % of human English alt texts are English (skipped without ../shared/data)',
  () => {
    const lines = readFileSync(sharedPath('data/retrieval-openstax/pairs.jsonl'), 'utf8').trim().split('\n');
    const texts = lines.map((line) => (JSON.parse(line) as { text: string }).text);
    const english = texts.filter((text) => detect(text).language === 'en').length;
    expect(english / texts.length).toBeGreaterThan(0.98);
  },
);

const ANNOTATIONS = new URL('../../node_modules/cldr-annotations-full/annotations/', import.meta.url);

test.skipIf(!existsSync(ANNOTATIONS))(
  "names of CLDR's annotations: few of another language are taken for English",
  () => {
    const taken = ['de', 'es', 'fr', 'it', 'ja', 'ko', 'pl', 'ru', 'zh'].map((language) => {
      const file = new URL(`${language}/annotations.json`, ANNOTATIONS);
      const { annotations } = JSON.parse(readFileSync(file, 'utf8')) as {
        annotations: { annotations: Record<string, { tts?: string[] }> };
      };
      const names = Object.values(annotations.annotations)
        .flatMap(({ tts }) => tts?.slice(0, 1) ?? [])
        .filter((name) => [...name].length >= 8);
      return [
        language,
        names.filter((name) => detect(name).language === 'en').length / names.length,
      ] as const;
    });
    for (const [language, share] of taken) expect([language, share < 0.12]).toEqual([language, true]);
  },
);
