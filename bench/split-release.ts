import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createParquetWriter } from '../src/formats/index.ts';
import { dealGroups, parseShares } from '../src/stages/split/deal.ts';
import { groupRows } from '../src/stages/split/group-rows.ts';
import { writeSplitTable } from '../src/stages/split/split-table.ts';
import { writeFile } from '../src/stages/write-file.ts';
import { fileStorage } from '../src/storage/index.ts';
import { cpuSeconds } from './cpu.ts';

const ROWS_PER_GROUP = 50_000;
const PARTS = 32;
const COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'uid', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'phash', type: 'string' },
  { name: 'key', type: 'string' },
] as const;

/**
 * What splitting a release takes: CPU time and the peak of memory, in a process of its own. The metadata are made: of the rows
 * a tenth each have the URL, the bytes, the caption or nearly the picture of an earlier one.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '7200000' },
      dir: { type: 'string' },
      measure: { type: 'boolean' },
    },
  });
  const rows = Number(values.rows);
  if (values.measure && values.dir) return measure(values.dir, rows);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    if (!existsSync(join(dir, pathOf(PARTS - 1)))) await makeMetadata(dir, rows);
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, 'main.ts'),
      ...['split-release', '--measure', '--dir', dir, '--rows', values.rows],
    ]);
    process.stdout.write(stdout);
  } finally {
    if (!values.dir) await rm(dir, { recursive: true, force: true });
  }
}

const pathOf = (part: number) => `metadata_${String(part).padStart(2, '0')}.parquet`;

async function measure(dir: string, rows: number): Promise<void> {
  const storage = fileStorage(dir);
  const paths = Array.from({ length: PARTS }, (_, part) => pathOf(part));
  const { signal } = new AbortController();
  const options = { distance: 4, scratch: join(dir, 'split'), signal, progress: () => undefined };
  const { groupOf, sizes, joined } = await groupRows(storage, paths, options);
  const shares = parseShares('train=0.9,validation=0.05,test=0.05');
  const dealt = { groupOf, splitOf: dealGroups(sizes, shares, 1), names: shares.map(({ name }) => name) };
  const { bytes } = await writeFile(storage, 'split.parquet', (sink) =>
    writeSplitTable(sink, storage, paths, dealt, signal),
  );
  const peak = process.resourceUsage().maxRSS / 1024;
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  process.stdout.write(
    `${rows} rows: ${cpuSeconds().toFixed(1)} CPU-s, peak ${peak.toFixed(0)} MiB; ${sizes.length} groups, the largest of ${largest}, joined ${JSON.stringify(joined)}; split.parquet ${(bytes / 1e6).toFixed(0)} MB\n`,
  );
}

async function makeMetadata(dir: string, rows: number): Promise<void> {
  const storage = fileStorage(dir);
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [Math.floor((part * rows) / PARTS), Math.floor(((part + 1) * rows) / PARTS)];
    await writeFile(storage, pathOf(part), async (sink) => {
      const table = createParquetWriter(sink, COLUMNS, { codec: 'SNAPPY' });
      for (let at = from; at < to; at += ROWS_PER_GROUP)
        await table.writeRowGroup(
          Array.from({ length: Math.min(ROWS_PER_GROUP, to - at) }, (_, i) => madeRow(at + i)),
        );
      await table.finish();
    });
  }
}

const digest = (what: string) => createHash('sha256').update(what).digest('hex');

function madeRow(n: number) {
  const own = digest(`${n}`);
  // Of ten rows one has the URL, one the bytes, one the caption, and one nearly the picture of an earlier row.
  const like = (digit: number) => (n % 10 === digit ? Math.floor(n * 0.37) : n);
  const hash = digest(`picture ${like(4)}`).slice(0, 16);
  return {
    ...{ SAMPLE_ID: BigInt(n), uid: own.slice(0, 32), key: String(n).padStart(12, '0') },
    URL: `https://images${like(1) % 997}.example/some/folder/${like(1)}/picture.jpg`,
    TEXT: `A picture of something on a page, number ${like(3)}, as it may well be described there`,
    sha256: digest(`bytes ${like(2)}`),
    phash:
      n % 10 === 4 ? (BigInt(`0x${hash}`) ^ (1n << BigInt(n % 64))).toString(16).padStart(16, '0') : hash,
  };
}
