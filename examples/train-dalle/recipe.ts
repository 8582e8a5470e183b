/** All that decides about the result, beside the data. */
import { z } from 'zod';
import { GleanerError } from '../../src/schema/index.ts';
import { PATCH } from './model.ts';

const count = z.int().positive();
const Training = z.strictObject({
  /** Pictures a step. */
  batch: count,
  steps: z.int().min(2),
  /** Highest learning rate. */
  rate: z.number().positive(),
});

const Recipe = z
  .strictObject({
    seed: z.int().nonnegative(),
    /** Side in pixels of what squares are cut out of at random, so that no picture is seen twice alike. */
    from: count,
    vq: z.strictObject({ side: count.multipleOf(PATCH), width: count, codes: count, dims: count }),
    vqTraining: Training,
    text: z.strictObject({ merges: count, tokens: count }),
    transformer: z.strictObject({ layers: count, width: count, heads: count }),
    transformerTraining: Training.extend({
      /** Share of captions that are left out, so that there is something to guide away from. */
      captionDropout: z.number().min(0).max(1),
    }),
    writing: z.strictObject({ guidance: z.number(), temperature: z.number().positive(), topK: count }),
    /** Rows of the sheet, pictures written for each, and how many of them are shown. */
    sheet: z.strictObject({ captions: count, candidates: count, shown: count }),
    /** Captions whose following is measured, and pictures written for each. */
    following: z.strictObject({ captions: count, pictures: count }),
    /** Most held-out pictures that are measured. */
    heldOut: count,
  })
  .refine(({ from, vq }) => from >= vq.side, { path: ['from'], error: 'is less than vq.side' })
  .refine(({ transformer: { width, heads } }) => width % heads === 0, {
    path: ['transformer', 'heads'],
    error: 'has to divide the width',
  });
export type Recipe = z.infer<typeof Recipe>;

export const RECIPE: Recipe = {
  seed: 1,
  from: 72,
  vq: { side: 64, width: 32, codes: 512, dims: 32 },
  vqTraining: { batch: 8, steps: 2000, rate: 2e-3 },
  text: { merges: 1500, tokens: 24 },
  transformer: { layers: 4, width: 192, heads: 3 },
  transformerTraining: { batch: 16, steps: 3000, rate: 1.5e-3, captionDropout: 0.1 },
  writing: { guidance: 3, temperature: 0.7, topK: 64 },
  sheet: { captions: 8, candidates: 32, shown: 6 },
  following: { captions: 100, pictures: 4 },
  heldOut: 512,
};

/**
 * The recipe with other values: JSON with the same names.
 * @throws GleanerError USAGE that names the value
 */
export function recipeWith(text: string, path: string): Recipe {
  const usage = (problem: string, cause?: unknown) =>
    new GleanerError('USAGE', { problem: `${path}: ${problem}` }, { cause });
  let changes: unknown;
  try {
    changes = JSON.parse(text);
  } catch (cause) {
    throw usage('is no JSON.', cause);
  }
  const parsed = Recipe.safeParse(merged(RECIPE, changes));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw usage(`${issue?.path.join('.') || 'recipe'}: ${issue?.message}.`);
}

function merged(value: unknown, changes: unknown): unknown {
  const isObject = (x: unknown): x is Record<string, unknown> =>
    typeof x === 'object' && x !== null && !Array.isArray(x);
  if (!isObject(value) || !isObject(changes)) return changes;
  const names = [...new Set([...Object.keys(value), ...Object.keys(changes)])];
  return Object.fromEntries(
    names.map((name) => [name, name in changes ? merged(value[name], changes[name]) : value[name]]),
  );
}
