import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { GleanerError } from '../schema/index.ts';
import { type Recipe, type RecipeInput, recipeSchema } from './recipe.ts';

const BUILT_IN = new URL('./recipes/', import.meta.url);

/** Names of the recipes that come with gleaner. */
export function builtInRecipes(): readonly string[] {
  return readdirSync(BUILT_IN)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/**
 * Reads a recipe: a built-in name, or the path of a YAML file (anything with a '.' or a '/').
 * `overrides` change single values, a section at a time.
 *
 * @returns the recipe with every default filled in, frozen
 * @throws GleanerError RECIPE_UNKNOWN, RECIPE_INVALID
 */
export function loadRecipe(nameOrPath: string, overrides: RecipeOverrides = {}): Recipe {
  const raw = parseYaml(nameOrPath, readRecipe(nameOrPath));
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw new GleanerError('RECIPE_INVALID', {
      name: nameOrPath,
      where: 'file',
      problem: 'is not a mapping of sections.',
    });
  return resolveRecipe(nameOrPath, merge(raw, overrides));
}

/** Single values of a recipe that a command line or a program changes. */
export type RecipeOverrides = Partial<RecipeInput>;

function readRecipe(nameOrPath: string): string {
  const unknown = () =>
    new GleanerError('RECIPE_UNKNOWN', { name: nameOrPath, known: builtInRecipes().join(', ') });
  const isPath = /[./\\]/.test(nameOrPath);
  if (!isPath && !builtInRecipes().includes(nameOrPath)) throw unknown();
  try {
    return readFileSync(isPath ? nameOrPath : new URL(`${nameOrPath}.yaml`, BUILT_IN), 'utf8');
  } catch {
    throw unknown();
  }
}

function parseYaml(name: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const at = error.linePos?.[0];
    const problem = error.message.split('\n')[0]?.replace(/ at line .*$/, '.') ?? 'is not YAML.';
    throw new GleanerError(
      'RECIPE_INVALID',
      { name, where: at ? `line ${at.line}` : 'file', problem },
      { cause: error },
    );
  }
}

function merge(raw: object, overrides: RecipeOverrides): object {
  const merged: Record<string, unknown> = { ...raw };
  for (const [section, value] of Object.entries(overrides)) {
    const before = merged[section];
    merged[section] =
      typeof value === 'object' && typeof before === 'object' && before !== null
        ? { ...before, ...value }
        : value;
  }
  return merged;
}

function resolveRecipe(name: string, raw: object): Recipe {
  const parsed = recipeSchema.safeParse(raw);
  if (parsed.success) return deepFreeze(parsed.data);
  const issue = parsed.error.issues[0];
  throw new GleanerError('RECIPE_INVALID', {
    name,
    where: issue?.path.join('.') || 'recipe',
    problem: `${issue?.message ?? 'is not valid'}.`,
  });
}

/**
 * Names a recipe by its values: its name and description do not count, so that a copy under another name is the
 * same recipe, nor who asks and by which way (`fetch.contact`, `fetch.proxy`), nor what those say who publish it (`card`):
 * none decides about a pair. Nor what networks are run on (`score.provider`), which is the machine's; the identity of a run has it.
 *
 * @returns 64 hexadecimal digits
 */
export function recipeHash(recipe: Recipe): string {
  const { name: _name, description: _description, card: _card, fetch, score, ...rest } = recipe;
  const { contact: _contact, proxy: _proxy, ...fetching } = fetch;
  const { provider: _provider, ...scoring } = score;
  const deciding = { ...rest, fetch: fetching, score: scoring };
  return createHash('sha256').update(canonicalJson(deciding)).digest('hex');
}

/** JSON with the keys of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

function deepFreeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) deepFreeze(item);
  return Object.freeze(value);
}
