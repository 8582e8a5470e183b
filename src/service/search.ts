import type { KnnFilter, KnnHit, KnnSearchOptions } from '../knn/index.ts';
import { firstOfEach } from './dedup.ts';
import type { Metrics } from './metrics.ts';
import type { OpenedIndex } from './opened-index.ts';

/** The class of rows that are shown unasked. */
export const SAFE_CLASS = 'UNLIKELY';
const SAFE: KnnFilter = { nsfw: [SAFE_CLASS] };

export interface SearchOptions {
  /** Whose vectors are searched. */
  readonly modality: 'image' | 'text';
  /** Results wanted. */
  readonly k: number;
  /** Whether rows that are UNSURE or NSFW are among them. */
  readonly nsfw: boolean;
  /** Whether near-duplicates are left out (fewer than `k` results may remain). */
  readonly deduplicate: boolean;
}

/** The nearest rows, best first. */
export async function search(
  index: OpenedIndex,
  vector: Float32Array,
  { modality, k, nsfw, deduplicate }: SearchOptions,
  metrics: Metrics,
): Promise<readonly KnnHit[]> {
  const knnDone = metrics.knnSeconds.startTimer();
  const among = nsfw ? undefined : index.fields.matching(SAFE);
  const hits = await searchShown(index, vector, modality, {
    k,
    vectors: deduplicate,
    // Where nothing has to be left out, nothing is asked of each row.
    ...(among && among.count < index.fields.rows && { among }),
  });
  knnDone();
  if (!deduplicate) return hits;
  const dedupDone = metrics.dedupSeconds.startTimer();
  const stays = await firstOfEach(hits.flatMap((hit) => hit.vector ?? []));
  dedupDone();
  return hits.filter((_, i) => stays[i]);
}

/** The nearest of the rows that may be shown: the engine may still have some that were taken down. */
async function searchShown(
  { removed, ...index }: OpenedIndex,
  vector: Float32Array,
  modality: 'image' | 'text',
  options: KnnSearchOptions,
): Promise<readonly KnnHit[]> {
  const { k } = options;
  for (let ask = k; ; ask *= 2) {
    const hits = await index[modality].search(vector, { ...options, k: ask });
    const shown = hits.filter(({ id }) => !removed.has(id));
    // Twice as many only where rows are missing, and there are more to be had.
    if (shown.length >= k || hits.length < ask) return shown.slice(0, k);
  }
}
