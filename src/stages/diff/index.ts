import { parquetInfo } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type Storage, withSource } from '../../storage/index.ts';
import { parquetFiles } from '../report/column-groups.ts';
import { readStatistics, type Statistics } from '../report/index.ts';
import { diffStatistics, type StatisticsDiff } from './settings.ts';
import { type DiffCounts, DiffTally, type PairDiff } from './tally.ts';
import { meet, UidRows } from './uid-rows.ts';
import { whyNot } from './why.ts';

export type { SettingDiff, StatisticsDiff, StepDiff } from './settings.ts';
export type { PairDiff, WhyCounts } from './tally.ts';

/** Pairs whose reasons are looked up at once: some 60 MB. The trails are read once for each such lot. */
const PAIRS_PER_LOOK = 250_000;

/** Where a pair stands, and where it was found: that differs without the pair being another. */
const PLACE_COLUMNS: ReadonlySet<string> = new Set(['SAMPLE_ID', 'key', 'page_url', 'wat']);
/** Told of each pair that differs. */
const LISTED_COLUMNS = ['uid', 'URL', 'TEXT', 'similarity'] as const;

/** How release B differs from release A. Pairs are the same by their uid, which is of URL and text. */
export interface ReleaseDiff extends StatisticsDiff, DiffCounts {
  readonly rows: { readonly a: number; readonly b: number };
}

export interface DiffOptions {
  readonly signal?: AbortSignal;
  /** Called with each pair that differs, in the order of uids. */
  readonly onPair?: (pair: PairDiff) => Promise<void> | void;
  /** Called with pairs gone over since the last call, and how many there are to go over in all. */
  readonly onProgress?: (pairs: number, total: number) => void;
}

/**
 * Compares two releases by walking both in the order of their uids. Memory does not grow with them: rows come a row group
 * at a time, and reasons are looked up for 250,000 pairs at a time.
 *
 * @param a folder of a run, or whatever holds a `release/`
 * @throws GleanerError RUN_NOT_FOUND where there is none, DAMAGED
 */
export async function diffReleases(a: Storage, b: Storage, options: DiffOptions = {}): Promise<ReleaseDiff> {
  const { signal = new AbortController().signal, onPair, onProgress } = options;
  const [first, second] = [await openRelease(a), await openRelease(b)];
  const shared = first.columns.filter((name) => second.columns.includes(name));
  const compared = shared.filter((name) => name !== 'uid' && !PLACE_COLUMNS.has(name));
  const names = [...new Set([...LISTED_COLUMNS, ...compared])];
  const tally = new DiffTally(compared);
  await using leaders = await openBoth(first, second, ['uid']);
  await using followers = await openBoth(first, second, names);
  const following = meet(followers.a, followers.b);
  const total = first.stats.rows + second.stats.rows;

  for (let lot = await nextLot(leaders, signal); lot.met > 0; lot = await nextLot(leaders, signal)) {
    const [inA, inB] = [await whyNot(a, lot.came, signal), await whyNot(b, lot.went, signal)];
    for (let n = 0; n < lot.met; n++) {
      const { value: met } = await following.next();
      if (!met)
        throw new GleanerError('DAMAGED', { path: a.location, problem: 'changed while it was read.' });
      const pair = tally.add(met, (met.a ? inB : inA).get(met.uid) ?? null);
      if (pair) await onPair?.(pair);
      if (n % 4096 === 0) signal.throwIfAborted();
    }
    onProgress?.(lot.rows, total);
  }
  return {
    ...diffStatistics(first.stats, second.stats),
    rows: { a: first.stats.rows, b: second.stats.rows },
    ...tally.counts(),
  };
}

interface OpenedRelease {
  readonly storage: Storage;
  readonly stats: Statistics;
  readonly paths: readonly string[];
  readonly columns: readonly string[];
}

async function openRelease(storage: Storage): Promise<OpenedRelease> {
  const stats = await readStatistics(storage);
  const paths = await parquetFiles(storage, 'release/metadata');
  const [first] = paths;
  if (first === undefined)
    throw new GleanerError('DAMAGED', { path: storage.location, problem: 'has no release/metadata.' });
  const columns = await withSource(storage, first, async (source) =>
    (await parquetInfo(source, first)).columns.map(({ name }) => name),
  );
  return { storage, stats, paths, columns };
}

interface Both extends AsyncDisposable {
  readonly a: UidRows;
  readonly b: UidRows;
}

async function openBoth(
  first: OpenedRelease,
  second: OpenedRelease,
  names: readonly string[],
): Promise<Both> {
  const a = await UidRows.open(first.storage, first.paths, names);
  const b = await UidRows.open(second.storage, second.paths, names);
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}

/** Uids of the next pairs that only one of both has, as many as are looked up at once. */
async function nextLot(
  { a, b }: Both,
  signal: AbortSignal,
): Promise<{ met: number; rows: number; came: readonly string[]; went: readonly string[] }> {
  const [came, went]: [string[], string[]] = [[], []];
  let [met, rows] = [0, 0];
  for await (const { uid, ...pair } of meet(a, b)) {
    met++;
    rows += pair.a && pair.b ? 2 : 1;
    if (!pair.a) came.push(uid);
    else if (!pair.b) went.push(uid);
    if (met % 4096 === 0) signal.throwIfAborted();
    if (came.length + went.length === PAIRS_PER_LOOK) break;
  }
  return { met, rows, came, went };
}
