import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { listEntries } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { streamFile } from '../storage/index.ts';

const PHRASES = z.array(z.string().trim().min(1)).readonly();
const GUARD = z
  .strictObject({
    /** Prompts that drop an image when they are one of its two best. */
    prompts: PHRASES,
    /** Prompts that they compete with. */
    others: PHRASES,
    /** Words and phrases that drop a pair when its text has them. */
    words: PHRASES,
    /** Files with more of them, by paths relative to this one: one a line, '#' comments, plain or gzip. */
    wordLists: PHRASES.default([]),
  })
  .readonly();
/** A set of categories as YAML or JSON. */
export const categoriesSchema = z
  .strictObject({
    name: z.string().min(1),
    version: z.string().min(1),
    /** Where the prompts are from. */
    source: z.string().min(1),
    /** SPDX identifier. */
    licence: z.string().min(1),
    safe: PHRASES,
    sexual: PHRASES,
    minors: GUARD,
    animals: GUARD,
  })
  .readonly();

/** A set of category prompts and words, with its provenance; the words of its lists stand among its own. */
export type SafetyCategories = z.infer<typeof categoriesSchema>;

const BUILT_IN: readonly string[] = ['stand-in'];

/**
 * Reads a set of categories: the built-in `stand-in` (harmless words in the place of explicit ones: it shows the
 * mechanism, its tags say nothing of real content), or the path of a YAML file of the same form.
 *
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE, RECIPE_INVALID
 */
export async function loadSafetyCategories(nameOrPath: string): Promise<SafetyCategories> {
  const file = BUILT_IN.includes(nameOrPath)
    ? new URL(`./categories/${nameOrPath}.yaml`, import.meta.url)
    : nameOrPath;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const hint = `Give a YAML file of safety categories, or the built-in ${BUILT_IN.join(', ')}.`;
    throw new GleanerError('FILE_NOT_FOUND', { path: nameOrPath, hint }, { cause: error });
  }
  const categories = parseCategories(nameOrPath, text);
  const base = dirname(file instanceof URL ? fileURLToPath(file) : file);
  const { minors, animals } = categories;
  return { ...categories, minors: await withWords(minors, base), animals: await withWords(animals, base) };
}

/** What a list says is part of a run's identity, not where it lies. */
async function withWords<G extends SafetyCategories['minors']>(guard: G, base: string): Promise<G> {
  const words = new Set(guard.words);
  for (const list of guard.wordLists) {
    const path = resolve(base, list);
    for await (const { text } of listEntries(path, streamFile(path))) words.add(text);
  }
  return { ...guard, words: [...words], wordLists: [] };
}

/**
 * Parses a set of categories. `name` is for messages.
 *
 * @throws GleanerError RECIPE_INVALID
 */
export function parseCategories(name: string, yaml: string): SafetyCategories {
  const invalid = (where: string, problem: string, cause?: unknown) =>
    new GleanerError('RECIPE_INVALID', { name, where, problem }, { cause });
  let raw: unknown;
  try {
    raw = parse(yaml);
  } catch (error) {
    throw invalid('file', 'is not YAML.', error);
  }
  const parsed = categoriesSchema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(issue?.path.join('.') || 'file', `${issue?.message ?? 'is not understood'}.`);
  }
  const { safe, sexual, minors, animals } = parsed.data;
  for (const [where, prompts] of [
    ['safe, sexual', [...safe, ...sexual]],
    ['minors', [...minors.prompts, ...minors.others]],
    ['animals', [...animals.prompts, ...animals.others]],
  ] as const) {
    if (prompts.length < 2) throw invalid(where, 'needs two prompts or more, as the two best are asked for.');
    const twice = prompts.find((prompt, i) => prompts.indexOf(prompt) !== i);
    if (twice !== undefined)
      throw invalid(where, `has '${twice}' twice, so that it would be both of the two best.`);
  }
  return parsed.data;
}
