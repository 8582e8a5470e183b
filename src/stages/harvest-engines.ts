import type { ClipModel } from '../clip/index.ts';
import type { Recipe } from '../config/index.ts';
import type { ImageClassifier, SafetyTagger } from '../safety/index.ts';
import { Shelf, ShelfRoom } from '../storage/index.ts';
import type { Asked } from './ask.ts';
import { ByteBudget } from './budget.ts';
import { Intake } from './intake.ts';
import { Scorer } from './scorer.ts';

/** What decides about a pair. */
export interface HarvestTools extends Asked {
  readonly model: ClipModel;
  readonly safety: SafetyTagger;
  /** Second opinions on what a picture shows, where the recipe names some. */
  readonly classifiers?: readonly ImageClassifier[];
}

/** The engines of a harvest: they outlive a task, so that a model is loaded and connections are made once. */
export interface HarvestEngines extends HarvestTools {
  readonly intake: Intake;
  /** Decoded pictures, small as the model and the release want them, that wait to be scored. */
  readonly pictures: ByteBudget;
  readonly scorer: Scorer;
  /** Where images that are kept wait for those before them. */
  readonly shelf: () => Shelf;
}

/** Decoded pictures at once, in batches: one is scored, one waits, one is made. */
const BATCHES_OF_PICTURES = 3;
/** Images that wait in memory for those before them, in bytes; more of them wait on disk. */
const SHELF_BYTES = 8 << 20;

/**
 * What all tasks of a process share.
 *
 * @param share processes that share the recipe's limits
 * @param folder where images wait on disk
 */
export function harvestEngines(
  tools: HarvestTools,
  { fetch, score }: Pick<Recipe, 'fetch' | 'score'>,
  share: number,
  folder: string,
): HarvestEngines {
  const room = new ShelfRoom(SHELF_BYTES);
  return {
    ...tools,
    intake: new Intake(fetch, share),
    pictures: new ByteBudget(BATCHES_OF_PICTURES * score.batchSize),
    scorer: new Scorer(tools.model, score.batchSize),
    shelf: () => new Shelf(room, folder),
  };
}
