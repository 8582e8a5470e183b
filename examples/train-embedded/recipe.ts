/** The recipe of gleaner-mini: every choice in one place, with where it comes from. */
import type { IconSet } from './drawings.ts';
import type { Scale } from './features.ts';
import type { HeadRecipe } from './trainer.ts';
import type { ViewStyleName } from './views.ts';

export interface Recipe extends HeadRecipe {
  /** Styles trained on. */
  readonly sets: readonly IconSet[];
  /** The style that it is measured on and never trained on. */
  readonly testSet: IconSet;
  /** Share of concepts left out of training in every style. */
  readonly heldOutShare: number;
  /** BPE merges; with 512 byte symbols and 2 special tokens a vocabulary of 4,096. */
  readonly merges: number;
  /** Patch filters. */
  readonly scales: readonly Scale[];
  /** Patches that the filters of each scale are learnt from. */
  readonly filterPatches: number;
  /** Pictures that the filters are learnt from. */
  readonly filterPictures: number;
  /** One view of each drawing for each of these. */
  readonly views: readonly ViewStyleName[];
  readonly hidden: number;
  readonly dims: number;
}

export const RECIPE: Recipe = {
  seed: 1,
  sets: ['twemoji', 'noto', 'fluent-emoji-flat', 'emojione', 'fxemoji'],
  testSet: 'fluent-emoji',
  heldOutShare: 0.03,
  merges: 3582,
  scales: [
    { shrink: 1, filters: 224, stride: 2, fields: 4 },
    { shrink: 2, filters: 128, stride: 2, fields: 3 },
    { shrink: 4, filters: 64, stride: 1, fields: 3 },
  ],
  filterPatches: 40_000,
  filterPictures: 1024,
  views: ['plain', ...Array.from({ length: 5 }, () => ['white', 'varied', 'varied'] as const).flat()],
  hidden: 1024,
  dims: 512, // as CLIP ViT-B/32's
  batch: 256,
  sigmoid: { matched: 1.5, mismatched: 3 },
  schedule: { steps: 2400, rate: 2e-3, warmUp: 50, decay: 0.2 },
};
