import { lockRoot, readParent } from '../pipeline/index.ts';
import { GleanerError } from '../schema/index.ts';
import { DEFAULT_SHARES, dealGroups, parseShares } from '../stages/split/deal.ts';
import { groupRows, type Join } from '../stages/split/group-rows.ts';
import { SPLIT_FILE, SPLIT_SUMMARY_FILE, writeSplitTable } from '../stages/split/split-table.ts';
import { writeFile } from '../stages/write-file.ts';
import { openStorage, scratchFolder } from '../storage/index.ts';

/** How a release is parted for training. */
export interface SplitRunOptions {
  /** Folder of a finished run. */
  readonly dir: string;
  /** Names of the splits with their shares of the rows, 1 together. @default 'train=0.9,validation=0.05,test=0.05' */
  readonly shares?: string;
  /** Decides which group goes where. @default 1 */
  readonly seed?: number;
  /** Bits that the perceptual hashes of two pictures of one group may differ in, 0 to 11. @default 4, as a recipe's near.samePicture */
  readonly distance?: number;
  readonly signal?: AbortSignal;
  /** Rows gone over since the last call, and how many there are to go over in all. */
  readonly onProgress?: (rows: number, total: number) => void;
}

/** What split.json says. */
export interface SplitSummary {
  readonly version: 1;
  /** Names the release by its content: `releaseDigest`. */
  readonly release: string;
  /** Of split.parquet. */
  readonly sha256: string;
  readonly rows: number;
  readonly groups: number;
  /** Rows of it. */
  readonly largestGroup: number;
  readonly shares: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly distance: number;
  readonly splits: Readonly<Record<string, { readonly rows: number; readonly groups: number }>>;
  /** Rows that are like another, by what they are: a row may be like others by several. */
  readonly joined: Readonly<Record<Join, number>>;
}

/**
 * Parts a release for training: rows that are alike by URL, bytes, picture or caption, over any number of steps, are a group, and
 * whole groups are dealt. Leaves split/split.parquet and split/split.json.
 *
 * @throws GleanerError USAGE, RUN_NOT_FOUND, RUN_LOCKED, DAMAGED; SPLIT_EMPTY where a split would have no row
 */
export async function splitRun(options: SplitRunOptions): Promise<SplitSummary> {
  const { dir, seed = 1, distance = 4, signal = new AbortController().signal, onProgress } = options;
  const shares = parseShares(options.shares ?? DEFAULT_SHARES);
  if (!(Number.isInteger(distance) && distance >= 0 && distance <= 11))
    throw new GleanerError('USAGE', { problem: `--distance ${distance}: give a whole number from 0 to 11.` });
  const storage = openStorage(dir);
  // Looked at first: a lock makes the folder that it is for.
  await readParent(dir);
  const lock = await lockRoot(storage);
  try {
    const { parent } = await readParent(dir);
    const paths = parent.parts.map(({ files }) => files.metadata.path);
    const total = parent.parts.reduce((sum, { rows }) => sum + rows, 0);
    const { groupOf, sizes, joined } = await groupRows(storage, paths, {
      ...{ distance, signal, scratch: scratchFolder(storage, 'split') },
      progress: (rows) => onProgress?.(rows, total),
    });
    const splitOf = dealGroups(sizes, shares, seed);
    const splits = shares.map(() => ({ rows: 0, groups: 0 }));
    for (const [group, split] of splitOf.entries()) {
      const one = splits[split];
      if (!one) throw new Error('a group is dealt to a split that is there');
      one.rows += sizes[group] ?? 0;
      one.groups++;
    }
    const empty = splits.findIndex(({ rows }) => rows === 0);
    if (empty >= 0)
      throw new GleanerError('SPLIT_EMPTY', {
        path: dir,
        split: shares[empty]?.name ?? '',
        problem: `${total} rows are ${sizes.length} groups; give it a larger share, another --seed, or name fewer splits`,
      });
    const names = shares.map(({ name }) => name);
    const file = await writeFile(storage, SPLIT_FILE, (sink) =>
      writeSplitTable(sink, storage, paths, { groupOf, splitOf, names }, signal),
    );
    const summary: SplitSummary = {
      ...{ version: 1, release: parent.sha256, sha256: file.sha256, rows: total, groups: sizes.length },
      largestGroup: sizes.reduce((most, size) => Math.max(most, size), 0),
      shares: Object.fromEntries(shares.map(({ name, share }) => [name, share])),
      ...{ seed, distance },
      splits: Object.fromEntries(names.map((name, i) => [name, splits[i] ?? { rows: 0, groups: 0 }])),
      joined,
    };
    await storage.put(SPLIT_SUMMARY_FILE, `${JSON.stringify(summary, null, 1)}\n`);
    return summary;
  } finally {
    await lock.release();
  }
}
