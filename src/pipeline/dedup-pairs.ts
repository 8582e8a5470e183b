import { parquetInfo } from '../formats/index.ts';
import { addLedgers, GleanerError, type Ledger } from '../schema/index.ts';
import { DedupMemory, dedup } from '../stages/dedup.ts';
import { BUCKET_COUNT_KEY } from '../stages/pair-writer.ts';
import { exportBloom, type Seen } from '../stages/seen.ts';
import { writeFile } from '../stages/write-file.ts';
import { type Storage, withSource } from '../storage/index.ts';
import { openSeen, refuseOwn } from './open-seen.ts';
import type { TaskHooks } from './run-task.ts';

export interface DedupPairsOptions extends Pick<TaskHooks, 'signal' | 'progress'> {
  /**
   * What earlier runs had, and is dropped: their folders, or Bloom filters (names that end in `.bloom`), by any path.
   * @default none
   */
  readonly seen?: readonly string[];
  /** Writes a Bloom filter of what was kept. */
  readonly bloom?: {
    readonly storage: Storage;
    /** Within the storage. */
    readonly path: string;
    /** Between 0 and 1. */
    readonly falsePositiveRate: number;
  };
}

/**
 * Removes exact duplicates, and what earlier runs had, from the pairs that `extract` left in one folder, and writes `unique/` and
 * `dropped/dedup/` into another: what a run does between two stages, for those who run the stages by themselves.
 *
 * @throws GleanerError RUN_NOT_FOUND where there are no pairs, DAMAGED where they were not written to go together
 */
export async function dedupPairs(from: Storage, to: Storage, options: DedupPairsOptions): Promise<Ledger> {
  const pairFiles = (await from.list('pairs')).filter((path) => path.endsWith('.parquet'));
  if (pairFiles.length === 0)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: from.location,
      what: 'extraction',
      hint: "Make one with 'gleaner extract'.",
    });
  const buckets = await commonBuckets(from, pairFiles);
  const seen: Seen[] = [];
  for (const path of options.seen ?? []) {
    refuseOwn(path, to.location);
    seen.push(await openSeen(path));
  }
  const ctx = { storage: to, signal: options.signal, progress: options.progress };
  // Key files say how many there have to be: those of an earlier dedup with other buckets would not go with these.
  await to.remove('keys');
  const ledgers: Ledger[] = [];
  const memory = new DedupMemory();
  for (let bucket = 0; bucket < buckets; bucket++) {
    const { ledgers: of } = await dedup({ bucket, buckets, pairFiles }, ctx, from, seen, memory);
    if (of.unique) ledgers.push(of.unique);
  }
  const { bloom } = options;
  if (bloom)
    await writeFile(bloom.storage, bloom.path, (sink) => exportBloom(to, sink, bloom.falsePositiveRate));
  return addLedgers(ledgers);
}

/** The number of hash buckets, which has to be one for all files: only then do equal pairs meet in one bucket. */
async function commonBuckets(storage: Storage, paths: readonly string[]): Promise<number> {
  const counts = new Set<number>();
  for (const path of paths) {
    const { kvMetadata } = await withSource(storage, path, (source) => parquetInfo(source, path));
    const count = Number(kvMetadata.get(BUCKET_COUNT_KEY));
    if (!Number.isSafeInteger(count) || count < 1)
      throw new GleanerError('DAMAGED', { path, problem: "was not written by 'gleaner extract'." });
    counts.add(count);
  }
  const [count] = counts;
  if (count === undefined || counts.size > 1)
    throw new GleanerError('DAMAGED', {
      path: `${storage.location}/pairs`,
      problem: 'holds files of several extractions; extract them together.',
    });
  return count;
}
