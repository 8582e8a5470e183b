import { exactEngine } from './exact.ts';
import { readLayout } from './layout.ts';
import type { KnnEngine, KnnEngineName, KnnIndex, KnnOpenOptions } from './types.ts';
import { zvecEngine } from './zvec.ts';

export { exactEngine } from './exact.ts';
export type {
  KnnBatch,
  KnnBuildOptions,
  KnnEngine,
  KnnEngineName,
  KnnFields,
  KnnFilter,
  KnnHit,
  KnnIndex,
  KnnOpenOptions,
  KnnRange,
  KnnSearchOptions,
  KnnStats,
} from './types.ts';
export { zvecEngine } from './zvec.ts';

export const knnEngines: { readonly [E in KnnEngineName]: KnnEngine } = {
  zvec: zvecEngine,
  exact: exactEngine,
};

/** Opens an index with the engine that made it. @throws GleanerError DAMAGED */
export async function openKnn(path: string, options?: KnnOpenOptions): Promise<KnnIndex> {
  const { engine } = await readLayout(path);
  return knnEngines[engine].open(path, options);
}
