/**
 * What the pictures of the small web show, and what it is called: the drawings of fluent-emoji (MIT), with names
 * and keywords of unicode-emoji-json (MIT) and CLDR (Unicode-3.0) in English and in eight other languages.
 */
import { type Drawing, loadDrawings } from '../examples/train-embedded/drawings.ts';
import { hexOf, readPackageJson } from '../examples/train-embedded/names.ts';

/** Languages whose texts the laion400m recipe has to drop; ISO 639-1. */
export const FOREIGN = ['de', 'fr', 'es', 'pt', 'ru', 'ja', 'zh', 'ar'] as const;
export type Foreign = (typeof FOREIGN)[number];

export interface Subject {
  readonly drawing: Drawing;
  /** English, letters, blanks, hyphens and apostrophes only. */
  readonly name: string;
  /** The name with its article, as it stands in a sentence. */
  readonly noun: string;
  /** English keywords that are plain words and not in the name. */
  readonly keywords: readonly string[];
  /** Unicode's group in lower-case words: "animals and nature". */
  readonly group: string;
  /** CLDR's short name in each of the other languages. */
  readonly translations: { readonly [L in Foreign]: string };
}

interface CldrFile {
  readonly annotations: { readonly annotations: Record<string, { readonly tts?: readonly string[] }> };
}

/** Emoji (hex key) → CLDR's short name in one language. */
function shortNames(language: Foreign): Map<string, string> {
  const file = readPackageJson<CldrFile>(`cldr-annotations-full/annotations/${language}/annotations.json`);
  const names = new Map<string, string>();
  for (const [emoji, { tts }] of Object.entries(file.annotations.annotations)) {
    if (tts?.[0] !== undefined) names.set(hexOf(emoji), tts[0]);
  }
  return names;
}

const WANTS_NO_ARTICLE = /^(a|an|the|no|people|men|women) |o'clock$/;
const PLURAL = /[^suio]s$/;
const AFTER_THE_NOUN = / (and|getting|holding|in|kicking|lifting|of|on|over|showing|under|with|without) .*/;

/** "a red apple", "an owl", "a face with tears", "grapes": the article that an English sentence wants. */
export function withArticle(name: string): string {
  if (WANTS_NO_ARTICLE.test(name) || PLURAL.test(name.replace(AFTER_THE_NOUN, ''))) return name;
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`;
}

/** A short sentence about one of these has too few English words for a language detector to be sure of it. */
const HARDLY_ENGLISH: ReadonlySet<string> = new Set([
  'fleur-de-lis',
  'kaaba',
  'ng button',
  'top hat',
  'yin yang',
]);

/** All drawings that can be spoken of in a sentence, in the icon set's order. Takes about a second: 100 MB of JSON. */
export function loadSubjects(): Subject[] {
  const translated = FOREIGN.map((language) => [language, shortNames(language)] as const);
  const subjects: Subject[] = [];
  for (const drawing of loadDrawings('fluent-emoji')) {
    const name = drawing.name.replaceAll('’', "'");
    if (!/^[a-z][a-z '-]*$/.test(name) || HARDLY_ENGLISH.has(name) || drawing.group === null) continue;
    const found = translated.map(([language, names]) => [language, names.get(drawing.hex)] as const);
    if (found.some(([, translation]) => translation === undefined)) continue;
    const inName = new Set(words(name));
    subjects.push({
      drawing,
      name,
      noun: withArticle(name),
      keywords: drawing.keywords.filter((k) => /^[a-z]{4,}$/.test(k) && !inName.has(k)),
      group: drawing.group.toLowerCase().replace('&', 'and'),
      translations: Object.fromEntries(found) as Record<Foreign, string>,
    });
  }
  return subjects;
}

function words(text: string): string[] {
  return text.split(/[^a-z]+/).filter((word) => word.length > 2 && word !== 'with' && word !== 'and');
}

function vocabulary(subject: Subject): Set<string> {
  const { cldrName, keywords } = subject.drawing;
  return new Set([subject.name, cldrName ?? '', ...keywords].flatMap((text) => words(text)));
}

/**
 * Whether a text about `one` is certainly wrong beside a picture of `other`: another group of Unicode's, another
 * concept, and not one word in common among their names and keywords.
 */
export function unrelated(one: Subject, other: Subject): boolean {
  if (one.group === other.group || one.drawing.concept === other.drawing.concept) return false;
  return vocabulary(one).isDisjointFrom(vocabulary(other));
}
