import { join } from 'node:path';
import { isRemovalUnderWay, type Removal, type RemovePairsOptions, removePairs } from '../pipeline/index.ts';
import { type HiddenOfSource, hideInIndex, indexFollows } from '../stages/unindex.ts';
import { openStorage } from '../storage/index.ts';
import { localExecutor } from './local.ts';

export interface RemoveLocallyOptions
  extends Pick<RemovePairsOptions, 'takedowns' | 'reason' | 'dryRun' | 'signal' | 'onProgress'> {
  /** Folder of a run, or s3://BUCKET/PREFIX. */
  readonly dir: string;
  /** When, ISO 8601. @default now */
  readonly at?: string;
  /** Threads. @default the number of cores */
  readonly workers?: number;
}

/** What a takedown did, in the run and in its search index. */
export interface LocalRemoval extends Removal {
  /** Rows of releases that were added to the index: nobody finds them any more, and they are still in those. */
  readonly hidden: readonly HiddenOfSource[];
}

/**
 * Takes pairs down from a run on this machine, its search index included.
 * @throws GleanerError as `removePairs`
 */
export async function removeLocally(options: RemoveLocallyOptions): Promise<LocalRemoval> {
  const { dir, at = new Date().toISOString(), workers, ...rest } = options;
  const storage = openStorage(dir);
  // An index lies on the disk of who searches: below a prefix in a bucket there is none.
  const indexed = storage.kind === 'file';
  const hidden: HiddenOfSource[] = [];
  const removal = await removePairs({
    ...rest,
    root: dir,
    at,
    executor: localExecutor(workers === undefined ? {} : { workers }),
    index: {
      async hide(tombstones) {
        if (!indexed) return;
        for (const { path, rows } of await hideInIndex(dir, storage, tombstones))
          hidden.push({ path: join(dir, path), rows });
      },
      async follow() {
        if (indexed) await indexFollows(dir, storage);
      },
    },
  });
  return { ...removal, hidden };
}

/** Ends a takedown that was begun in a folder and stopped, before anything else is done there. */
export async function endRemoval(
  dir: string,
  { workers, signal }: Pick<RemoveLocallyOptions, 'workers' | 'signal'> = {},
): Promise<void> {
  if (!(await isRemovalUnderWay(openStorage(dir)))) return;
  const of = { ...(workers !== undefined && { workers }), ...(signal && { signal }) };
  await removeLocally({ ...of, dir, takedowns: [], reason: '' });
}
