import { pairUid } from '../src/schema/index.ts';
import type { PairRecord } from '../src/stages/tables.ts';
import { mulberry } from '../test/support/random.ts';

const WORDS =
  'the of and in with on red blue green photo image picture house garden summer winter large small product shop new old vintage best guide view front back side detail'.split(
    ' ',
  );
const LANGUAGES = ['en', 'en', 'en', 'de', 'fr', 'es', 'ru', 'ja'];

/** A made pair: URLs of some 80 bytes and texts of some 35, as on Common Crawl's pages. */
export function pairOf(index: number, page: number, file: number): PairRecord {
  const random = mulberry(index);
  const word = () => WORDS[Math.floor(random() * WORDS.length)] ?? '';
  const host = Math.floor(index / 600) % 50_000;
  const number = Math.floor(random() * 2 ** 32);
  const url = `https://www.${WORDS[host % WORDS.length]}${host}.com/wp-content/uploads/20${10 + (number % 15)}/0${1 + (number % 9)}/${word()}-${word()}-${number.toString(36)}${index.toString(36)}.jpg`;
  const text = Array.from({ length: 4 + (number % 6) }, word).join(' ');
  return {
    uid: pairUid(url, text),
    url,
    text,
    page_url: `https://www.${WORDS[host % WORDS.length]}${host}.com/${WORDS[page % 30]}/${WORDS[(page >> 5) % 30]}-${page}.html`,
    wat: `CC-MAIN-20250707183638-20250707213638-${String(file).padStart(5, '0')}.warc.wat.gz#${page * 7919}`,
    license: number % 50 === 0 ? 'https://creativecommons.org/licenses/by/4.0/' : '?',
    language: LANGUAGES[number % LANGUAGES.length] ?? 'en',
    language_confidence: (number % 997) / 997,
  };
}
