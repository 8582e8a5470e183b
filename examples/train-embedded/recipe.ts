/** The recipe of gleaner-mini: every choice in one place, with where it comes from. */
import type { IconSet } from './drawings.ts';
import type { SCENE_STYLES } from './scenes.ts';
import type { HeadRecipe } from './trainer.ts';

export interface Recipe extends HeadRecipe {
  /** Styles trained on. */
  readonly sets: readonly IconSet[];
  /** The style that it is measured on and never trained on. */
  readonly testSet: IconSet;
  /** Share of concepts left out of training in every style. */
  readonly heldOutShare: number;
  /** BPE merges; with 512 byte symbols and 2 special tokens a vocabulary of 4,096. */
  readonly merges: number;
  readonly filters: number;
  readonly filterPatches: number;
  /** Pictures that the filters are learnt from. */
  readonly filterPictures: number;
  /** One view of each drawing for each of these. */
  readonly views: readonly (keyof typeof SCENE_STYLES)[];
  readonly hidden: number;
  readonly dims: number;
}

export const RECIPE: Recipe = {
  seed: 1,
  sets: ['twemoji', 'noto', 'fluent-emoji-flat', 'emojione', 'fxemoji'],
  testSet: 'fluent-emoji',
  heldOutShare: 0.03,
  merges: 3582,
  filters: 320,
  filterPatches: 40_000,
  filterPictures: 1024,
  views: ['plain', 'cropped', 'cropped', 'varied', 'varied'],
  hidden: 1024,
  dims: 512, // as CLIP ViT-B/32's
  batch: 256,
  sigmoidWeight: 4,
  schedule: { steps: 3000, rate: 1e-3, warmUp: 50, decay: 0.2 },
};
