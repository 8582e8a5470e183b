/**
 * What a whole crawl costs, from unit costs that were measured: `node scripts/scale.ts` prints the table of
 * docs/scale.md, and a test holds the two together. Change a unit cost here when a benchmark gives another.
 */

/** A crawl. From the made WATs beside the peers' benchmark: its README names what a real WAT holds. */
export const CRAWL = {
  wats: 90_000,
  /** Bytes of a WAT file, gzip, and inflated. */
  watBytes: 349e6,
  watInflatedBytes: 1.5e9,
  /** Image links with a text, in one WAT file. */
  pairsPerWat: 300_000,
  /** Share of pairs that another of the crawl equals. An assumption: the made WATs have 25 %. */
  duplicates: 0.25,
  /** Processes, or threads, that dedup side by side. An assumption. */
  workers: 64,
};

/** Each from a benchmark of docs/benchmarks.md. */
export const UNIT = {
  /** `npm run bench -- extract`: 400 MB of WAT, inflated, in 3.0 CPU-s by laion400m, start and all. */
  extractCpuSecondsPerByte: 3.0 / 400e6,
  /** `npm run bench -- dedup`: pairs a CPU-second. */
  dedupPairsPerCpuSecond: 450_000,
  /**
   * What a file of pairs costs a task of dedup besides: opening it, two reads, and a call of zstd for each column.
   * 1,000,000 pairs in 40 files and 114 buckets take 2.5 CPU-s more than in 4 files and 5 buckets.
   */
  dedupCpuSecondsPerRead: 0.5e-3,
  /** The same: bytes of pairs/*.parquet, unique/*.parquet, keys/*.keys and dropped/dedup/*.parquet a row. */
  pairBytes: 55,
  uniqueBytes: 67,
  keyBytes: 16,
  droppedBytes: 68,
  /** The same: footer of a file of pairs, a column chunk. */
  footerBytesPerChunk: 53,
  /** The same: peak memory with an empty bucket, and what a pair of the bucket adds, in bytes. */
  baseMemory: 155e6,
  memoryPerPair: 640,
  /** What a worker remembers of each row group: its place (8 bytes), its bucket (4), and both as the footer's JSON. */
  memoryPerRowGroup: 24,
  /** A sequential read and a comparison of a key of an earlier run, in CPU-seconds: 16 bytes at 100 MB/s. */
  seenCpuSecondsPerKey: 16 / 100e6,
};
const COLUMNS = 8;

interface Plan {
  /** WAT files that are extracted and deduplicated together, before the next are, with --seen of those before. */
  readonly watsPerRun: number;
  /** The recipe's dedup.watBytesPerBucket. */
  readonly watBytesPerBucket: number;
}

/** Costs of a whole crawl, by name, in the order in which they are shown. */
export function costs({ watsPerRun, watBytesPerBucket }: Plan): Readonly<Record<string, string>> {
  const runs = Math.ceil(CRAWL.wats / watsPerRun);
  const buckets = Math.ceil((watsPerRun * CRAWL.watBytes) / watBytesPerBucket);
  const pairs = CRAWL.wats * CRAWL.pairsPerWat;
  const unique = pairs * (1 - CRAWL.duplicates);
  // A task reads one row group of every file of its run, and before it what the footer says of that.
  const tasks = runs * buckets;
  const reads = tasks * watsPerRun;
  // Whole footers are read once by each worker of a run.
  const groupsOfFooters = Math.min(CRAWL.workers, buckets) * runs * watsPerRun * buckets + reads;
  const footers = groupsOfFooters * COLUMNS * UNIT.footerBytesPerChunk;
  // Run r reads the keys of the r before it, once.
  const seenKeys = (unique * (runs - 1)) / 2;
  const dedupSeconds =
    pairs / UNIT.dedupPairsPerCpuSecond +
    reads * UNIT.dedupCpuSecondsPerRead +
    seenKeys * UNIT.seenCpuSecondsPerKey;
  return {
    runs: count(runs),
    'buckets a run': count(buckets),
    'files of pairs': count(CRAWL.wats),
    'WAT bytes read': bytes(CRAWL.wats * CRAWL.watBytes),
    'pairs, unique': `${count(pairs)}, ${count(unique)}`,
    'pairs/ written': bytes(pairs * UNIT.pairBytes),
    'unique/, keys/ written': `${bytes(unique * UNIT.uniqueBytes)}, ${bytes(unique * UNIT.keyBytes)}`,
    'dropped/dedup/ written': bytes((pairs - unique) * UNIT.droppedBytes),
    'rows a row group of pairs/': count(CRAWL.pairsPerWat / buckets),
    'reads of pairs/ (two a row group)': count(2 * reads),
    'bytes of footers read': bytes(footers),
    'keys of earlier runs read': bytes(seenKeys * UNIT.keyBytes),
    'extract, core-hours': count(
      (CRAWL.wats * CRAWL.watInflatedBytes * UNIT.extractCpuSecondsPerByte) / 3600,
    ),
    'dedup, core-hours': count(dedupSeconds / 3600),
    'memory of a dedup worker': bytes(
      UNIT.baseMemory +
        ((watsPerRun * CRAWL.pairsPerWat) / buckets) * UNIT.memoryPerPair +
        watsPerRun * buckets * UNIT.memoryPerRowGroup,
    ),
  };
}

const PLANS: readonly Plan[] = [
  { watsPerRun: 90_000, watBytesPerBucket: 256 * 2 ** 20 },
  { watsPerRun: 90_000, watBytesPerBucket: 8 * 2 ** 30 },
  { watsPerRun: 900, watBytesPerBucket: 256 * 2 ** 20 },
  { watsPerRun: 900, watBytesPerBucket: 2 * 2 ** 30 },
];

/** The table of docs/scale.md. */
export function scaleTable(): string {
  const columns = PLANS.map(costs);
  const heads = PLANS.map(
    (plan) => `${count(plan.watsPerRun)} WATs a run, ${plan.watBytesPerBucket / 2 ** 20} MiB a bucket`,
  );
  const names = Object.keys(columns[0] ?? {});
  return [
    `| | ${heads.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(columns.length)}`,
    ...names.map((name) => `| ${name} | ${columns.map((column) => column[name]).join(' | ')} |`),
  ].join('\n');
}

function count(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** With the prefix of SI that leaves one to three digits before the point. */
function bytes(n: number): string {
  const power = Math.min(6, Math.max(0, Math.floor(Math.log10(n) / 3)));
  return `${(n / 1000 ** power).toFixed(power > 2 ? 1 : 0)} ${['', 'k', 'M', 'G', 'T', 'P', 'E'][power]}B`;
}

if (import.meta.main) process.stdout.write(`${scaleTable()}\n`);
