import { exactEngine } from './exact.ts';
import { ivfEngine } from './ivf.ts';
import { readLayout } from './layout.ts';
import type { KnnEngine, KnnEngineName, KnnIndex, KnnOpenOptions } from './types.ts';

export { exactEngine } from './exact.ts';
export { type FieldRange, FieldTable, type ValueCount } from './field-table.ts';
export {
  type KnnFields,
  type KnnFieldsBatch,
  type KnnFilter,
  type KnnRange,
  type RangeField,
  TEXT_FIELDS,
  type TextField,
} from './fields.ts';
export { ivfEngine } from './ivf.ts';
export { buildBytes, FLAT_MAX_ROWS } from './ivf-plan.ts';
export { effortFor, measureRecall, type Recall, type RecallQueries, TrueNeighbours } from './recall.ts';
export { RowSet } from './row-set.ts';
export {
  KNN_ENGINE_NAMES,
  type KnnBatch,
  type KnnBuildOptions,
  type KnnEngine,
  type KnnEngineName,
  type KnnHit,
  type KnnIndex,
  type KnnOpenOptions,
  type KnnPrecision,
  type KnnRangeOptions,
  type KnnSearchOptions,
  type KnnStats,
} from './types.ts';
export { dot } from './vector.ts';

export const knnEngines: { readonly [E in KnnEngineName]: KnnEngine } = {
  ivf: ivfEngine,
  exact: exactEngine,
};

/** Opens an index with the engine that made it. @throws GleanerError DAMAGED */
export async function openKnn(path: string, options?: KnnOpenOptions): Promise<KnnIndex> {
  const { engine } = await readLayout(path);
  return knnEngines[engine].open(path, options);
}
