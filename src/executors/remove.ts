import { isRemovalUnderWay, type Removal, type RemovePairsOptions, removePairs } from '../pipeline/index.ts';
import { hideInIndex, indexFollows } from '../stages/unindex.ts';
import { fileStorage } from '../storage/index.ts';
import { localExecutor } from './local.ts';

export interface RemoveLocallyOptions
  extends Pick<RemovePairsOptions, 'takedowns' | 'reason' | 'dryRun' | 'signal' | 'onProgress'> {
  /** Folder of a run. */
  readonly dir: string;
  /** When, ISO 8601. @default now */
  readonly at?: string;
  /** Threads. @default the number of cores */
  readonly workers?: number;
  /** Called with a line that a user should read. */
  readonly onNotice?: (line: string) => void;
}

/**
 * Takes pairs down from a run on this machine, its search index included.
 * @throws GleanerError as `removePairs`
 */
export async function removeLocally(options: RemoveLocallyOptions): Promise<Removal> {
  const { dir, at = new Date().toISOString(), workers, onNotice, ...rest } = options;
  const storage = fileStorage(dir);
  let waits = false;
  const removal = await removePairs({
    ...rest,
    root: dir,
    at,
    executor: localExecutor(workers === undefined ? {} : { workers }),
    index: {
      async hide(tombstones) {
        waits = !(await hideInIndex(dir, storage, tombstones));
      },
      follow: () => indexFollows(dir, storage),
    },
  });
  if (waits)
    onNotice?.(
      'the index is in use by a service: it shows none of the pairs any more, and their vectors leave its files when a service next begins.',
    );
  return removal;
}

/** Ends a takedown that was begun in a folder and stopped, before anything else is done there. */
export async function endRemoval(
  dir: string,
  { workers, signal }: Pick<RemoveLocallyOptions, 'workers' | 'signal'> = {},
): Promise<void> {
  if (!(await isRemovalUnderWay(fileStorage(dir)))) return;
  const of = { ...(workers !== undefined && { workers }), ...(signal && { signal }) };
  await removeLocally({ ...of, dir, takedowns: [], reason: '' });
}
