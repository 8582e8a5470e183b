import { getLIDModel } from 'fasttext.wasm.js';

export interface DetectedLanguage {
  /** ISO 639-1 code, ISO 639-3 where there is none, 'und' where the text tells nothing. */
  readonly language: string;
  /** The model's probability, 0 to 1. Of short texts it is low even where the language is right. */
  readonly confidence: number;
}

export type DetectLanguage = (text: string) => DetectedLanguage;

const UNDETERMINED: DetectedLanguage = { language: 'und', confidence: 0 };

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
  const model = await (await getLIDModel()).load();
  return (text) => {
    // fastText ends its input at a line end.
    const line = text.slice(0, MAX_CHARS).replace(/\s+/g, ' ').trim();
    const letters = line.match(/\p{L}/gu)?.length ?? 0;
    if (letters === 0) return UNDETERMINED;
    const guesses = model.predict(line, 2, 0);
    try {
      const latin = line.match(/\p{Script=Latin}/gu)?.length ?? 0;
      for (let i = 0; i < guesses.size(); i++) {
        const [probability, label] = guesses.get(i);
        const language = label.replace('__label__', '');
        if (language === 'en' && latin < letters / 2) continue;
        return { language, confidence: Math.min(1, probability) };
      }
      return UNDETERMINED;
    } finally {
      // It lives in the memory of the WebAssembly module, which no garbage collector looks at.
      guesses.delete();
    }
  };
}
