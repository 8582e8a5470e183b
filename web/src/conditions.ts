import type { PageFilter, PageRange } from '../../src/service/page-types.ts';
import { type Filters, LISTED, type ShapeName } from './search.ts';

/** Width by height; 4:5 and 5:4, the squarest that cameras and phones have beside 1:1, are square. */
const ASPECTS: Readonly<Record<ShapeName, PageRange>> = {
  tall: { max: 0.799 },
  square: { min: 0.8, max: 1.25 },
  wide: { min: 1.251 },
};

/** Least pixels of the shorter side that one may ask for: CLIP's 224 and about, then doubled. */
export const SIDES: readonly number[] = [256, 512, 1024, 2048];

/** Filters as the service takes them; undefined where there are none. */
export function conditionsOf(filters: Filters): PageFilter | undefined {
  const { side, shape, match } = filters;
  const listed = LISTED.filter((field) => filters[field].length > 0).map((field) => [field, filters[field]]);
  const filter: PageFilter = {
    ...Object.fromEntries(listed),
    ...(side !== null && { width: { min: side }, height: { min: side } }),
    ...(shape !== null && { aspect: ASPECTS[shape] }),
    ...(match !== null && { similarity: { min: match } }),
  };
  return Object.keys(filter).length > 0 ? filter : undefined;
}
