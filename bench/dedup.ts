import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createParquetWriter } from '../src/formats/index.ts';
import { dedupPairs } from '../src/pipeline/index.ts';
import { BUCKET_COUNT_KEY, BUCKETS_KEY } from '../src/stages/pair-writer.ts';
import { bucketOf, EXTRACTED_COLUMNS, type PairRecord, shardPath } from '../src/stages/tables.ts';
import { fileStorage } from '../src/storage/index.ts';
import { mulberry } from '../test/support/random.ts';
import { pairOf } from './made-pairs.ts';

/** Pairs that 256 MiB of WAT give, which is what the recipe's default lets a bucket stand for. */
const PAIRS_PER_BUCKET = 220_000;
/** Pairs with a text in one of Common Crawl's WAT files, as some 300,000 links with a text are in one. */
const PAIRS_PER_FILE = 250_000;

/**
 * Exact dedup of made pairs, Parquet in and Parquet out, in a process of its own with one thread: pairs a CPU-second,
 * and the peak of memory. `--pairs 50000000` shows that memory does not grow with them.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pairs: { type: 'string', default: '2000000' },
      duplicates: { type: 'string', default: '0.25' },
      runs: { type: 'string', default: '2' },
      dir: { type: 'string' },
      measure: { type: 'boolean', default: false },
    },
  });
  if (values.measure && values.dir) return measure(values.dir);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    await makePairs(dir, Number(values.pairs), Number(values.duplicates));
    for (let run = 0; run < Number(values.runs); run++) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        ...['dedup', '--measure', '--dir', dir],
      ]);
      process.stdout.write(stdout);
    }
  } finally {
    if (!values.dir) await rm(dir, { recursive: true, force: true });
  }
}

async function measure(dir: string): Promise<void> {
  const out = join(dir, 'out');
  const began = { cpu: process.cpuUsage(), wall: performance.now() };
  const ledger = await dedupPairs(fileStorage(dir), fileStorage(out), {
    signal: new AbortController().signal,
    progress: () => undefined,
  });
  const { user, system } = process.cpuUsage(began.cpu);
  const cpu = (user + system) / 1e6;
  const wall = (performance.now() - began.wall) / 1000;
  await rm(out, { recursive: true, force: true });
  process.stdout.write(
    `${ledger.in} pairs, ${ledger.out} kept: ${cpu.toFixed(2)} CPU-s, ${wall.toFixed(2)} s; ${Math.round(ledger.in / cpu)} pairs a CPU-second, peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`,
  );
}

/** Files as extract leaves them: some fifteen pairs a page, a bucket a row group. */
async function makePairs(dir: string, pairs: number, duplicates: number): Promise<void> {
  const buckets = Math.max(1, Math.ceil(pairs / PAIRS_PER_BUCKET));
  const storage = fileStorage(dir);
  const random = mulberry(7);
  for (let file = 0, made = 0; made < pairs; file++) {
    const parts = Array.from({ length: buckets }, (): PairRecord[] => []);
    for (let i = 0; i < PAIRS_PER_FILE && made < pairs; i++, made++) {
      // A repeated pair stands on another page than the first.
      const index = random() < duplicates ? Math.floor(random() * made) : made;
      const record = pairOf(index, Math.floor(made / 15), file);
      parts[bucketOf(record.uid, buckets)]?.push(record);
    }
    const order = [...parts.keys()].filter((bucket) => parts[bucket]?.length);
    const sink = await storage.create(shardPath('pairs', file));
    const writer = createParquetWriter(sink, EXTRACTED_COLUMNS, {
      kvMetadata: { [BUCKETS_KEY]: JSON.stringify(order), [BUCKET_COUNT_KEY]: String(buckets) },
    });
    for (const bucket of order) await writer.writeRowGroup(parts[bucket] ?? []);
    await writer.finish();
    await sink.commit();
  }
}
