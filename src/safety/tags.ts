import { type Dropped, dropped, kept, type Nsfw, type Outcome } from '../schema/index.ts';
import type { SafetyCategories } from './categories.ts';
import { wordFinder } from './words.ts';

export interface SafetyOptions {
  /** Drop NSFW and UNSURE pairs that may show a minor. @default true */
  readonly dropMinors?: boolean;
  /** Drop NSFW and UNSURE pairs that may show an animal. @default true */
  readonly dropAnimals?: boolean;
  /** Drop UNLIKELY pairs that may show either too; LAION-400M did not. @default false */
  readonly dropUnlikely?: boolean;
}

/** Classes by how many of the two best prompts are sexual. */
const GRAVITY: readonly Nsfw[] = ['UNLIKELY', 'UNSURE', 'NSFW'];

export interface SafetyTagger {
  /**
   * Tags one pair.
   *
   * @param imageEmbedding - As many numbers as an embedding of a prompt has, L2-normalised.
   * @param opinion a classifier's: the graver of the two classes counts
   * @returns the NSFW class; or dropped as `minor` or `animal`, the detail naming the word or the prompt.
   */
  tag(imageEmbedding: Float32Array, text: string, opinion?: Nsfw): Outcome<Nsfw>;
}

/** Prompts with their embeddings; `flagged` ones are what is looked for. */
interface Prompt {
  readonly prompt: string;
  readonly flagged: boolean;
  readonly embedding: Float32Array;
}

/** The order of prompts in {@link safetyPrompts}; flagged ones first, which is what decides at equal scores. */
function lists({ safe, sexual, minors, animals }: SafetyCategories): readonly PromptList[] {
  return [
    { flagged: sexual, others: safe },
    { flagged: minors.prompts, others: minors.others },
    { flagged: animals.prompts, others: animals.others },
  ];
}

interface PromptList {
  readonly flagged: readonly string[];
  readonly others: readonly string[];
}

/** All prompts of a set, to be embedded once by the text half of the encoder that embeds the images. */
export function safetyPrompts(categories: SafetyCategories): readonly string[] {
  return lists(categories).flatMap(({ flagged, others }) => [...flagged, ...others]);
}

/**
 * The safety step of LAION-400M (clip_filter.py and df_clipfilter of its crawling@home workers). An image is scored
 * against the safe and the sexual prompts by cosine; of the two best, both sexual: NSFW, one: UNSURE, none: UNLIKELY.
 * A pair that is NSFW or UNSURE is dropped where its text has a word for a minor or one of the image's two best
 * under-age prompts is a minor's; then likewise for animals. With `dropUnlikely` this is asked of every pair.
 *
 * Two prompts of equal cosine: the flagged one counts as better, so that doubt goes against the image.
 *
 * Unlike the original: prompts belong to named lists, not to positions in one (a missing comma had moved the
 * boundary by one); words are matched whole and in any case (the original looked for 'kid' in 'kidney', and not for
 * 'Kid'); animals are judged by the two best prompts and by words, as minors are (the original asked the best alone).
 *
 * @param promptEmbeddings - Of {@link safetyPrompts}, in that order: prompts × dimension, each row L2-normalised.
 * @throws RangeError where that is not a whole number of rows; `tag` too, for an embedding of another dimension.
 */
export function createSafetyTagger(
  categories: SafetyCategories,
  promptEmbeddings: Float32Array,
  { dropMinors = true, dropAnimals = true, dropUnlikely = false }: SafetyOptions = {},
): SafetyTagger {
  const count = safetyPrompts(categories).length;
  const dimension = promptEmbeddings.length / count;
  if (!Number.isInteger(dimension) || dimension === 0)
    throw new RangeError(`${promptEmbeddings.length} numbers are no embeddings of ${count} prompts`);
  let row = 0;
  const embedded = lists(categories).map(({ flagged, others }) =>
    [...flagged, ...others].map((prompt, i): Prompt => {
      const embedding = promptEmbeddings.subarray(row * dimension, ++row * dimension);
      return { prompt, flagged: i < flagged.length, embedding };
    }),
  );
  const [classes = [], minors = [], animals = []] = embedded;
  const guards = [
    ...(dropMinors ? [createGuard('minor', minors, categories.minors.words)] : []),
    ...(dropAnimals ? [createGuard('animal', animals, categories.animals.words)] : []),
  ];
  return {
    tag(imageEmbedding, text, opinion = 'UNLIKELY') {
      if (imageEmbedding.length !== dimension)
        throw new RangeError(`an embedding of ${imageEmbedding.length} numbers, not ${dimension}`);
      const sexual = twoBest(imageEmbedding, classes).filter((p) => p.flagged).length;
      const nsfw = GRAVITY[Math.max(sexual, GRAVITY.indexOf(opinion))] ?? 'NSFW';
      if (nsfw === 'UNLIKELY' && !dropUnlikely) return kept(nsfw);
      for (const refuse of guards) {
        const refused = refuse(imageEmbedding, text);
        if (refused) return refused;
      }
      return kept(nsfw);
    },
  };
}

function createGuard(
  reason: 'minor' | 'animal',
  prompts: readonly Prompt[],
  words: readonly string[],
): (imageEmbedding: Float32Array, text: string) => Dropped | undefined {
  const findWord = wordFinder(words);
  return (imageEmbedding, text) => {
    const word = findWord(text);
    if (word !== undefined) return dropped(reason, `word: ${word}`);
    const found = twoBest(imageEmbedding, prompts).find((p) => p.flagged);
    return found && dropped(reason, `prompt: ${found.prompt}`);
  };
}

/** Prompts come flagged first, and the sort is stable: that is the rule for equal scores. */
function twoBest(image: Float32Array, prompts: readonly Prompt[]): readonly Prompt[] {
  return prompts
    .map((prompt) => ({ prompt, score: dot(image, prompt.embedding) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 2)
    .map(({ prompt }) => prompt);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
