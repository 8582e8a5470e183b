import { type ClipModel, loadClip } from '../clip/index.ts';
import type { Recipe } from '../config/index.ts';
import {
  createSafetyTagger,
  type ImageClassifier,
  loadClassifier,
  type SafetyCategories,
  type SafetyTagger,
  safetyPrompts,
} from '../safety/index.ts';
import { type HarvestEngines, harvestEngines } from '../stages/harvest-engines.ts';
import { openStorage, scratchFolder } from '../storage/index.ts';
import { openAsked } from './ask-engines.ts';
import type { RunSpec } from './run-file.ts';

/**
 * Loads what harvest needs: model, prompts of the safety categories, and the source of images.
 *
 * @param root of the run
 * @param share this process is one of so many that ask the same hosts: each takes its part of the limits
 * @throws GleanerError MODEL_INVALID, RECIPE_INVALID, FILE_NOT_FOUND
 */
export async function loadEngines(
  spec: RunSpec,
  share: number,
  root: string,
): Promise<HarvestEngines & AsyncDisposable> {
  if (!spec.modelDir || !spec.categories) throw new Error('a harvest needs a model and safety categories');
  // One thread a model: workers run side by side, and sums do not depend on how many cores there are.
  const model = await loadClip(spec.modelDir, {
    threads: 1,
    batchSize: spec.recipe.score.batchSize,
    variant: spec.recipe.score.variant ?? undefined,
    provider: spec.provider ?? undefined,
  });
  const safety = await loadSafety(spec.categories, spec.recipe, model);
  const classifiers: ImageClassifier[] = [];
  for (const { path, thresholds } of spec.recipe.safety.classifiers)
    classifiers.push(await loadClassifier(path, thresholds));
  const asked = await openAsked(spec, share, root);
  return {
    ...harvestEngines(
      { model, safety, ...asked, classifiers },
      spec.recipe,
      share,
      scratchFolder(openStorage(root), 'harvest'),
    ),
    async [Symbol.asyncDispose]() {
      await asked.images.close();
      await model.close();
      for (const classifier of classifiers) await classifier.close();
    },
  };
}

async function loadSafety(
  categories: SafetyCategories,
  recipe: Recipe,
  model: ClipModel,
): Promise<SafetyTagger> {
  const prompts = await model.embedTexts(safetyPrompts(categories));
  return createSafetyTagger(categories, prompts, recipe.safety);
}
