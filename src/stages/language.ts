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

/** Texts whose language is remembered, and their greatest length: 16 MB at most. */
const MAX_KNOWN = 1 << 16;
const MAX_KNOWN_CHARS = 100;

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
  const { getLIDModel } = await import('fasttext.wasm.js');
  const model = await (await getLIDModel()).load();
  // Alternative texts repeat: a site's logo stands on all its pages.
  const known = new Map<string, DetectedLanguage>();
  return (text) => {
    let found = known.get(text);
    if (found === undefined) {
      found = detect(text);
      if (known.size >= MAX_KNOWN) known.clear();
      if (text.length <= MAX_KNOWN_CHARS) known.set(text, found);
    }
    return found;
  };

  function detect(text: string): DetectedLanguage {
    // fastText ends its input at a line end.
    const line = text.slice(0, MAX_CHARS).replace(/\s+/g, ' ').trim();
    // Of texts in ASCII, which most are, all letters are Latin.
    const ascii = /^[\x20-\x7e]*$/.test(line);
    const letters = ascii ? Number(/[A-Za-z]/.test(line)) : (line.match(/\p{L}/gu)?.length ?? 0);
    if (letters === 0) return UNDETERMINED;
    const guesses = model.predict(line, 2, 0);
    try {
      const latin = ascii ? letters : (line.match(/\p{Script=Latin}/gu)?.length ?? 0);
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
  }
}
