import { type ClipModel, loadClip } from '../clip/index.ts';
import type { Recipe } from '../config/index.ts';
import { createArchiveSource, type ImageSource } from '../fetcher/index.ts';
import {
  createSafetyTagger,
  type ImageClassifier,
  type KnownContent,
  loadClassifier,
  readKnownContent,
  type SafetyCategories,
  type SafetyTagger,
  safetyPrompts,
  type Tombstones,
} from '../safety/index.ts';
import { dropped } from '../schema/index.ts';
import { type HarvestEngines, harvestEngines } from '../stages/harvest-engines.ts';
import { openLocation, openStorage, scratchFolder, streamFile, streamLocation } from '../storage/index.ts';
import { openWeb } from './open-web.ts';
import type { ImagesFrom, RunSpec } from './run-file.ts';
import { honouredTombstones } from './tombstones.ts';

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
  const { knownContent } = spec.recipe.safety;
  const known = knownContent.length > 0 ? await readKnownContent(knownContent, streamFile) : undefined;
  const storage = openStorage(root);
  const removed = await honouredTombstones(storage, spec);
  const classifiers: ImageClassifier[] = [];
  for (const { path, thresholds } of spec.recipe.safety.classifiers)
    classifiers.push(await loadClassifier(path, thresholds));
  const images = await openImages(spec.images, spec.recipe, share, refuser(removed, known));
  return {
    ...harvestEngines(
      { model, safety, images, known, removed, classifiers },
      spec.recipe,
      share,
      scratchFolder(storage, 'harvest'),
    ),
    async [Symbol.asyncDispose]() {
      await images.close();
      await model.close();
      for (const classifier of classifiers) await classifier.close();
    },
  };
}

/** What is asked of each URL on the way to an image, where there is anything to ask. */
function refuser(
  removed: Tombstones,
  known: KnownContent | undefined,
): KnownContent['refuseUrl'] | undefined {
  if (removed.empty) return known?.refuseUrl;
  return (...hrefs) => (removed.namesUrl(...hrefs) ? dropped('removed') : known?.refuseUrl(...hrefs));
}

async function loadSafety(
  categories: SafetyCategories,
  recipe: Recipe,
  model: ClipModel,
): Promise<SafetyTagger> {
  const prompts = await model.embedTexts(safetyPrompts(categories));
  return createSafetyTagger(categories, prompts, recipe.safety);
}

async function openImages(
  from: ImagesFrom,
  recipe: Recipe,
  share: number,
  refuseUrl: KnownContent['refuseUrl'] | undefined,
): Promise<ImageSource> {
  if (from.kind === 'archive')
    return createArchiveSource(
      from.files.map(({ name, path }) => ({
        name,
        open: () => streamLocation(path),
        source: () => openLocation(path),
      })),
      {
        maxBodyBytes: recipe.fetch.maxBodyBytes,
        maxRedirects: recipe.fetch.maxRedirects,
        ...(refuseUrl && { refuseUrl }),
      },
    );
  return openWeb(recipe.fetch, from.allowHosts, share, refuseUrl);
}
