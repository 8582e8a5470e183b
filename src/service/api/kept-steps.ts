import type { Recipe } from '../../config/index.ts';
import { stepsOfFate } from '../../pipeline/index.ts';
import type { KeptStep } from '../page-types.ts';
import type { ReleasedRow } from '../row-store.ts';

/**
 * Why a row was kept: the steps of the funnel that it went through, as `gleaner explain` tells them. Without the run's
 * recipe, what the row itself says of them.
 */
export function keptSteps(id: number, row: ReleasedRow, recipe: Recipe | undefined): readonly KeptStep[] {
  if (recipe) {
    const fate = { kept: true as const, row: { SAMPLE_ID: BigInt(id), ...row } };
    return stepsOfFate(fate, recipe, false).map(({ step, facts }) => ({ step, said: facts || 'passed' }));
  }
  const { TEXT, WIDTH, HEIGHT, format, similarity, NSFW, language } = row;
  const spoken = language === 'und' ? '' : `, language ${language} by ${row.language_confidence.toFixed(2)}`;
  return [
    { step: 'pair', said: `${[...TEXT].length} characters${spoken}` },
    { step: 'image', said: `${format}, ${WIDTH} × ${HEIGHT} = ${WIDTH * HEIGHT} pixels` },
    { step: 'matched', said: `similarity ${similarity.toFixed(4)}` },
    { step: 'safe', said: row.tags === '' ? NSFW : `${NSFW}, ${row.tags}` },
  ];
}
