import { type FieldRange, type FieldTable, type KnnFilter, TEXT_FIELDS } from '../../knn/index.ts';
import type { CountsResponse } from '../page-types.ts';
import { safely } from './find-rows.ts';

/** Values of a field that are counted: the most frequent. */
const MAX_VALUES = 50;

/**
 * Rows of the release by the values of their fields, and between which bounds their numbers lie, each under all conditions
 * of the filter but its own. The classes that are not shown unasked are counted too: it is how one sees that they are there.
 */
export function countsOf(fields: FieldTable, filter: KnnFilter, nsfw: boolean): CountsResponse {
  const shown = nsfw ? filter : safely(filter);
  const bounds = (range: FieldRange | null) => range ?? {};
  return {
    rows: fields.matching(shown).count,
    fields: fields.counts(shown, TEXT_FIELDS, { limit: MAX_VALUES }),
    width: bounds(fields.range(shown, 'width')),
    height: bounds(fields.range(shown, 'height')),
    similarity: bounds(fields.range(shown, 'similarity')),
    aspect: bounds(fields.range(shown, 'aspect')),
  };
}
