import {
  bloomInfo,
  compareKeys,
  type KeyWords,
  keyFileInfo,
  readBloomSlice,
  readKeys,
  writeBloom,
} from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSink, type OpenSource, type Storage, streamSource, withSource } from '../storage/index.ts';
import { bucketOfLead, leadOf } from './tables.ts';
import type { BucketRange } from './uid-words.ts';

/** The pairs that an earlier run had. */
export interface Seen {
  /** What the trail calls it. */
  readonly label: string;
  /**
   * Finds those of a bucket's uids that were had before. Memory: one piece of a file, or one slice of a filter.
   *
   * @param order numbers of the keys in `words`, in ascending order of the keys
   * @returns numbers of the keys found
   */
  find(words: KeyWords, order: Uint32Array, range: BucketRange): Promise<ReadonlySet<number>>;
}

/** Name of the key file of a bucket. */
export function keyPath(bucket: number): string {
  return `keys/${String(bucket).padStart(5, '0')}.keys`;
}

/** The key files that a run left, in the order of their buckets. */
export async function keyPaths(storage: Storage): Promise<readonly string[]> {
  return (await storage.list('keys')).filter((path) => path.endsWith('.keys'));
}

/** Buckets of another number of buckets that share uids with a bucket. */
function overlapping({ bucket, buckets }: BucketRange, others: number): { first: number; last: number } {
  return {
    first: bucketOfLead(leadOf(bucket, buckets), others),
    last: bucketOfLead(leadOf(bucket + 1, buckets) - 1, others),
  };
}

/** Key files that a run left: how many there are, which is the number of its buckets, and how many keys each has. */
interface KeyFiles {
  readonly buckets: number;
  readonly keys: readonly number[];
}

/** @throws GleanerError RUN_NOT_FOUND where there are none, DAMAGED where some are missing */
async function readKeyFiles(storage: Storage): Promise<KeyFiles> {
  const paths = await keyPaths(storage);
  const keys: number[] = [];
  for (const [bucket, path] of paths.entries()) {
    const info = await withSource(storage, path, (file) => keyFileInfo(file, path));
    if (path !== keyPath(bucket) || info.bucket !== bucket || info.buckets !== paths.length)
      throw new GleanerError('DAMAGED', {
        path: `${storage.location}/keys`,
        problem: `holds ${paths.length} key files, of which ${path} is bucket ${info.bucket} of ${info.buckets}; finish that run first.`,
      });
    keys.push(info.keys);
  }
  if (paths.length === 0)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'dedup',
      hint: "Give the --out of 'gleaner dedup' or 'gleaner run', or a .bloom file.",
    });
  return { buckets: paths.length, keys };
}

/** Exactly what a run had, by the key files that it left in its folder. @throws GleanerError as `readKeyFiles` */
export async function seenByKeys(storage: Storage, label: string): Promise<Seen> {
  const { buckets } = await readKeyFiles(storage);
  return {
    label,
    async find(words, order, range) {
      const found = new Set<number>();
      const { first, last } = overlapping(range, buckets);
      const [from, to] = [leadOf(range.bucket, range.buckets), leadOf(range.bucket + 1, range.buckets)];
      let at = 0;
      for (let bucket = first; bucket <= last; bucket++)
        await withSource(storage, keyPath(bucket), async (file) => {
          for await (const keys of readKeys(file, { path: keyPath(bucket), from, to }))
            at = merge(words, order, at, keys, found);
        });
      return found;
    },
  };
}

/** Walks two ascending lists side by side. @returns how far it came in `order` */
function merge(
  words: KeyWords,
  order: Uint32Array,
  start: number,
  keys: KeyWords,
  found: Set<number>,
): number {
  let at = start;
  for (let key = 0; 4 * key < keys.length && at < order.length; ) {
    const difference = compareKeys(words, order[at] ?? 0, keys, key);
    if (difference === 0) found.add(order[at] ?? 0);
    if (difference <= 0) at++;
    else key++;
  }
  return at;
}

/**
 * What a run had and, at the filter's false-positive rate, some that it had not.
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED
 */
export async function seenByBloom(
  open: () => Promise<OpenSource>,
  path: string,
  label: string,
): Promise<Seen> {
  const source = await open();
  const info = await bloomInfo(source, path).finally(() => source.close());
  const slices = info.slices.length;
  return {
    label,
    async find(words, order, range) {
      const found = new Set<number>();
      const file = await open();
      try {
        const { first, last } = overlapping(range, slices);
        let at = 0;
        for (let slice = first; slice <= last; slice++) {
          const filter = await readBloomSlice(file, info, slice);
          for (; at < order.length; at++) {
            const number = order[at] ?? 0;
            if (bucketOfLead(words[4 * number] ?? 0, slices) !== slice) break;
            if (filter.mayHave(words, number)) found.add(number);
          }
        }
      } finally {
        await file.close();
      }
      return found;
    },
  };
}

/**
 * Writes a Bloom filter of the uids that a run left in its key files, a slice for each bucket. Memory: one slice.
 * @throws GleanerError as `readKeyFiles`
 */
export async function exportBloom(
  storage: Storage,
  sink: ByteSink,
  falsePositiveRate: number,
): Promise<void> {
  const { keys } = await readKeyFiles(storage);
  await writeBloom(sink, falsePositiveRate, keys, (bucket) =>
    streamSource(storage, keyPath(bucket), (file) => readKeys(file, { path: keyPath(bucket) })),
  );
}
