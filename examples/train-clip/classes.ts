/** Names of what pictures show: for zero-shot classification, and to tell what was seen in training. */
import { readFile } from 'node:fs/promises';
import { GleanerError } from '../../src/schema/index.ts';

export interface ClassName {
  readonly name: string;
  /** What it is said with in a sentence: "an owl". */
  readonly noun: string;
  /** A wider class: "animals and nature". */
  readonly group?: string;
}

const WORDS = /[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu;
const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(WORDS) ?? [];

/**
 * @param from `demo`: what the pictures of the small web show; else a file with a name a line, and behind a tab its group
 * @throws GleanerError FILE_NOT_FOUND, USAGE
 */
async function readClasses(from: string): Promise<readonly ClassName[]> {
  if (from === 'demo') {
    const { loadSubjects } = await import('../../demo/subjects.ts');
    return loadSubjects().map(({ name, noun, group }) => ({ name, noun, group }));
  }
  const text = await readFile(from, 'utf8').catch(() => {
    throw new GleanerError('FILE_NOT_FOUND', { path: from, hint: 'Give --classes a file, or demo.' });
  });
  const classes = text.split('\n').flatMap((line): ClassName[] => {
    const [name = '', group] = line.split('\t').map((part) => part.trim());
    return wordsOf(name).length > 0 ? [{ name, noun: name, ...(group && { group }) }] : [];
  });
  if (classes.length > 1) return classes;
  throw new GleanerError('USAGE', { problem: `--classes ${from}: has no two names, one a line.` });
}

/** Finds classes in captions. */
export class ClassFinder {
  readonly #byWords = new Map<string, ClassName>();
  readonly #longest: number;

  constructor(classes: readonly ClassName[]) {
    let longest = 0;
    for (const one of classes) {
      const words = wordsOf(one.name);
      longest = Math.max(longest, words.length);
      this.#byWords.set(words.join(' '), one);
    }
    this.#longest = longest;
  }

  /** The name with the most words in a caption, of several the first: "woman running" rather than "woman". */
  find(caption: string): ClassName | undefined {
    const words = wordsOf(caption);
    for (let length = Math.min(this.#longest, words.length); length > 0; length--)
      for (let from = 0; from + length <= words.length; from++) {
        const found = this.#byWords.get(words.slice(from, from + length).join(' '));
        if (found) return found;
      }
    return undefined;
  }
}

/** Classes that pictures are held against, and those that the training had a caption of. */
export interface KnownClasses {
  readonly classes: readonly ClassName[];
  readonly finder: ClassFinder;
  readonly seen: ReadonlySet<ClassName>;
}

/** @param from as `readClasses` takes it; undefined: none. @param texts what was trained on */
export async function knownClasses(
  from: string | undefined,
  texts: readonly string[],
): Promise<KnownClasses | undefined> {
  if (from === undefined) return undefined;
  const classes = await readClasses(from);
  const finder = new ClassFinder(classes);
  return { classes, finder, seen: new Set(texts.flatMap((text) => finder.find(text) ?? [])) };
}
