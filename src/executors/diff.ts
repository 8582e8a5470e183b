import { basename, dirname } from 'node:path';
import { type Column, createParquetWriter, type RowOf } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { diffReleases, type PairDiff, type ReleaseDiff } from '../stages/diff/index.ts';
import { fileStorage, openStorage } from '../storage/index.ts';

/** Two releases to compare, by what a user names. */
export interface DiffRunsOptions {
  /** Folders of two runs, or of whatever holds a `release/`. */
  readonly a: string;
  readonly b: string;
  /** Parquet file that every pair that differs is written to. */
  readonly out?: string;
  /** How many pairs of each kind are listed in the result, the first in the order of uids. @default 10 */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Pairs gone over since the last call, and how many there are to go over in all. */
  readonly onProgress?: (pairs: number, total: number) => void;
}

/** How two releases differ, with some of the pairs. */
export interface RunsDiff extends ReleaseDiff {
  readonly pairs: readonly PairDiff[];
}

/** Columns of the file that `out` names. */
const DIFF_COLUMNS = [
  { name: 'what', type: 'string' },
  { name: 'uid', type: 'string' },
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'reason', type: 'string', nullable: true },
  { name: 'detail', type: 'string', nullable: true },
  { name: 'similarity_a', type: 'double', nullable: true },
  { name: 'similarity_b', type: 'double', nullable: true },
  { name: 'changes', type: 'string', nullable: true },
] as const satisfies readonly Column[];

const ROWS_PER_GROUP = 20_000;

/**
 * Says what came, what went and what changed from one release to another.
 *
 * @throws GleanerError RUN_NOT_FOUND where one of them has no release, DAMAGED, USAGE where `out` is there already
 */
export async function diffRuns(options: DiffRunsOptions): Promise<RunsDiff> {
  const { a, b, out, limit = 10, signal = new AbortController().signal, onProgress } = options;
  const pairs: PairDiff[] = [];
  const listed = { came: 0, went: 0, changed: 0 };
  const file = out === undefined ? undefined : await createTable(out);
  try {
    const diff = await diffReleases(openStorage(a), openStorage(b), {
      signal,
      ...(onProgress && { onProgress }),
      async onPair(pair) {
        if (listed[pair.what]++ < limit) pairs.push(pair);
        await file?.add(pair);
      },
    });
    await file?.commit();
    return { ...diff, pairs };
  } catch (error) {
    await file?.abort();
    throw error;
  }
}

async function createTable(out: string) {
  const storage = fileStorage(dirname(out));
  const taken = new GleanerError('USAGE', { problem: `--out ${out}: is there already. Name another file.` });
  if ((await storage.size(basename(out))) !== undefined) throw taken;
  const pending = await storage.create(basename(out));
  const writer = createParquetWriter(pending, DIFF_COLUMNS);
  let held: RowOf<typeof DIFF_COLUMNS>[] = [];
  return {
    async add(pair: PairDiff): Promise<void> {
      held.push(recordOf(pair));
      if (held.length < ROWS_PER_GROUP) return;
      await writer.writeRowGroup(held);
      held = [];
    },
    async commit(): Promise<void> {
      await writer.writeRowGroup(held);
      await writer.finish();
      if (!(await pending.commit({ ifAbsent: true }))) throw taken;
    },
    abort: () => pending.abort(),
  };
}

function recordOf({ what, uid, url, text, why, changes, similarity }: PairDiff): RowOf<typeof DIFF_COLUMNS> {
  return {
    ...{ what, uid, URL: url, TEXT: text },
    reason: why?.reason ?? null,
    detail: why?.detail ?? null,
    similarity_a: similarity.a,
    similarity_b: similarity.b,
    changes: what === 'changed' ? JSON.stringify(changes) : null,
  };
}
