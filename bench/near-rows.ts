import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { NearRules } from '../src/config/index.ts';
import { harvestFiles } from '../src/stages/harvested.ts';
import { near } from '../src/stages/near/near.ts';
import { fileStorage } from '../src/storage/index.ts';
import { type NearRow, nearRow, writeShards } from '../test/support/near-rows.ts';
import { mulberry } from '../test/support/random.ts';

const ROWS_PER_SHARD = 10_000;
const DIMENSION = 512;
/** Subjects that embeddings lie around. */
const SUBJECTS = 5_000;
/** Of twenty rows one has the bytes of an earlier one, one nearly its embedding, one that and its hash with two bits turned. */
const EVERY = 20;

const NOTHING: NearRules = { sameBytes: false, samePicture: null, sameMeaning: null };
const samePicture = { maxDistance: 4, minBits: 8, minCosine: 0.9 };
const sameMeaning = { minCosine: 0.95, rowsPerCluster: 2_048, seed: 0 };
const RULES: Readonly<Record<string, NearRules>> = {
  'same bytes': { ...NOTHING, sameBytes: true },
  'same picture': { ...NOTHING, samePicture },
  'same meaning': { ...NOTHING, sameMeaning },
  'all three': { sameBytes: true, samePicture, sameMeaning },
};

/** What it costs to find duplicates among made rows: CPU time and the peak of memory, in a process of its own for each. */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      'rows-per-cluster': { type: 'string' },
      dir: { type: 'string' },
      measure: { type: 'string' },
    },
  });
  const shards = Math.ceil(Number(values.rows) / ROWS_PER_SHARD);
  const rowsPerCluster = values['rows-per-cluster'];
  if (values.measure && values.dir) return measure(values.dir, shards, values.measure, rowsPerCluster);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    await makeRows(dir, shards);
    for (const name of Object.keys(RULES)) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        ...['near', 'rows', '--dir', dir, '--rows', values.rows, '--measure', name],
        ...(rowsPerCluster ? ['--rows-per-cluster', rowsPerCluster] : []),
      ]);
      process.stdout.write(stdout);
    }
  } finally {
    if (!values.dir) await rm(dir, { recursive: true, force: true });
  }
}

function filesOf(shard: number) {
  return harvestFiles(`harvest/${String(shard).padStart(5, '0')}-made`);
}

async function measure(dir: string, shards: number, name: string, rowsPerCluster = ''): Promise<void> {
  let rules = RULES[name] ?? NOTHING;
  if (rowsPerCluster && rules.sameMeaning)
    rules = { ...rules, sameMeaning: { ...sameMeaning, rowsPerCluster: Number(rowsPerCluster) } };
  const ctx = {
    storage: fileStorage(dir),
    signal: new AbortController().signal,
    progress: () => undefined,
  };
  const task = {
    rules,
    dimension: DIMENSION,
    shards: Array.from({ length: shards }, (_, i) => ({ files: filesOf(i), rows: ROWS_PER_SHARD })),
  };
  const began = { cpu: process.cpuUsage(), wall: performance.now() };
  const { ledgers } = await near(task, ctx);
  const { user, system } = process.cpuUsage(began.cpu);
  const wall = (performance.now() - began.wall) / 1000;
  process.stdout.write(
    `${name}: ${ledgers.distinct?.in} rows, ${JSON.stringify(ledgers.distinct?.dropped)}: ${((user + system) / 1e6).toFixed(1)} CPU-s, ${wall.toFixed(1)} s, peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`,
  );
}

async function makeRows(dir: string, shards: number): Promise<void> {
  const storage = fileStorage(dir);
  const random = mulberry(7);
  const noise = Float32Array.from({ length: 1 << 20 }, () => random() + random() + random() - 1.5);
  const stretch = (from: number) => noise.subarray(from, from + DIMENSION);
  const word = () => Math.floor(random() * 2 ** 32);
  const hex = (words: number) =>
    Array.from({ length: words }, () => word().toString(16).padStart(8, '0')).join('');
  let recent: NearRow[] = [];
  for (let shard = 0; shard < shards; shard++) {
    if ((await storage.size(filesOf(shard).rows)) !== undefined) continue;
    const rows: NearRow[] = [];
    for (let i = 0; i < ROWS_PER_SHARD; i++) {
      const [subject, own] = [
        stretch((Math.floor(random() ** 2 * SUBJECTS) * 209) % (noise.length - DIMENSION)),
        stretch(word() % (noise.length - DIMENSION)),
      ];
      const facts = {
        sha256: hex(8),
        phash: hex(2),
        similarity: 0.3 + random() / 10,
        embedding: subject.map((x, j) => x + 0.7 * (own[j] ?? 0)),
      };
      const other = recent[word() % Math.max(1, recent.length)];
      if (other && i % EVERY === 0) facts.sha256 = other.sha256;
      if (other && i % EVERY === 1)
        facts.phash = (BigInt(`0x${other.phash}`) ^ 0x8000000100n).toString(16).padStart(16, '0');
      if (other && (i % EVERY === 1 || i % EVERY === 2))
        facts.embedding = other.embedding.map((x, j) => x + 0.1 * (own[j] ?? 0));
      rows.push(nearRow(shard * ROWS_PER_SHARD + i, facts));
    }
    await writeShards(storage, [rows], shard);
    recent = rows;
  }
}
