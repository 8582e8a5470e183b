import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseFastText } from '../formats/index.ts';
import { createClassifier } from './fasttext/classifier.ts';

export interface DetectedLanguage {
  /** ISO 639-1 code, ISO 639-3 where there is none, 'und' where the text tells nothing. */
  readonly language: string;
  /** The model's probability, 0 to 1, a number of 32 bits. Of short texts it is low even where the language is right. */
  readonly confidence: number;
}

export type DetectLanguage = (text: string) => DetectedLanguage;

/** What is said of a text that tells no language, or was not looked at. */
export const UNDETERMINED: DetectedLanguage = { language: 'und', confidence: 0 };

/** Longest piece of a text that is looked at, in UTF-16 code units: more tells nothing new. */
const MAX_CHARS = 1000;

let loading: Promise<DetectLanguage> | undefined;

/**
 * Loads fastText's language identification (lid.176.ftz, 176 languages; Joulin et al. 2016, "FastText.zip"), once
 * for each thread. It reads a file of its package; nothing is fetched.
 *
 * A text most of whose letters are not Latin is never English: without that rule fastText takes 10 % of short
 * Chinese names for English, as English is what it says when it knows none of the words.
 */
export function loadLanguageDetector(): Promise<DetectLanguage> {
  loading ??= load();
  return loading;
}

async function load(): Promise<DetectLanguage> {
  const path = fileURLToPath(import.meta.resolve('fasttext.wasm.js/dist/fastText/models/lid.176.ftz'));
  const classify = createClassifier(parseFastText(await readFile(path), path));
  return (text) => {
    const start = text.slice(0, MAX_CHARS);
    // fastText knows the white space of ASCII only.
    const line = /[^\S\t-\r ]/.test(start) ? start.replace(/\s+/g, ' ') : start;
    if (!/[A-Za-z]/.test(line) && !/\p{L}/u.test(line)) return UNDETERMINED;
    let [guess] = classify(line, 1);
    if (guess?.label === 'en' && !isLatin(line)) guess = classify(line, 2)[1];
    return guess ? { language: guess.label, confidence: Math.min(1, guess.probability) } : UNDETERMINED;
  };
}

/** Whether at least half of the letters of a text are Latin. */
function isLatin(text: string): boolean {
  // Of texts in ASCII, which most are, all are.
  if (/^[\x20-\x7e]*$/.test(text)) return true;
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  const latin = text.match(/\p{Script=Latin}/gu)?.length ?? 0;
  return latin >= letters / 2;
}
