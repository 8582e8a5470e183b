import type { Recipe } from '../../config/index.ts';

/** Sections that say how a run was done, not which pairs it kept. */
const NOT_DECIDING: ReadonlySet<string> = new Set([
  'name',
  'description',
  'fetch',
  'harvest',
  'release',
  'card',
]);

/** Every option of a recipe with its value as text, `section.option`. */
export function parameters(recipe: object, prefix = ''): readonly (readonly [name: string, value: string])[] {
  return Object.entries(recipe).flatMap(([key, item]: [string, unknown]) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? parameters(item, `${prefix}${key}.`)
      : [[`${prefix}${key}`, valueText(item)]],
  );
}

/** Those that decide about a pair once its image has come: filters, threshold, safety, duplicates. */
export function decidingParameters(recipe: Recipe): readonly (readonly [name: string, value: string])[] {
  return parameters(Object.fromEntries(Object.entries(recipe).filter(([key]) => !NOT_DECIDING.has(key))));
}

function valueText(item: unknown): string {
  if (item === null) return 'none';
  if (!Array.isArray(item)) return String(item);
  return item.map((one: unknown) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', ');
}
