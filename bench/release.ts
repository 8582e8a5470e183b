import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createParquetWriter, createTarWriter, npyHeader } from '../src/formats/index.ts';
import { HARVEST_COLUMNS, harvestFiles } from '../src/stages/harvested.ts';
import { release } from '../src/stages/release.ts';
import { type FileInfo, fileStorage, type Storage } from '../src/storage/index.ts';
import { mulberry } from '../test/support/random.ts';
import { pairOf } from './made-pairs.ts';

/** Pairs of a harvest task, by default of the recipe; here all are kept. */
const ROWS_PER_SHARD = 10_000;

/**
 * The release of made shards in a process of its own with one thread, all parts in turn: CPU time and the peak of
 * memory. Images are a few bytes (`--image-bytes`), so that the figure is that of merging and not of copying pictures.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      dimension: { type: 'string', default: '512' },
      parts: { type: 'string', default: '32' },
      'image-bytes': { type: 'string', default: '200' },
      runs: { type: 'string', default: '2' },
      dir: { type: 'string' },
      measure: { type: 'boolean', default: false },
    },
  });
  const shape = {
    rows: Number(values.rows),
    dimension: Number(values.dimension),
    parts: Number(values.parts),
    imageBytes: Number(values['image-bytes']),
  };
  if (values.measure && values.dir) return measure(values.dir, shape);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    if (!existsSync(join(dir, 'harvest'))) await makeShards(fileStorage(dir), shape);
    for (let run = 0; run < Number(values.runs); run++) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        ...['release', '--measure', '--dir', dir, '--rows', values.rows, '--dimension', values.dimension],
        ...['--parts', values.parts],
      ]);
      process.stdout.write(stdout);
    }
  } finally {
    if (!values.dir) await rm(dir, { recursive: true, force: true });
  }
}

interface Shape {
  readonly rows: number;
  readonly dimension: number;
  readonly parts: number;
  readonly imageBytes: number;
}

async function measure(dir: string, { rows, dimension, parts }: Shape): Promise<void> {
  const storage = fileStorage(dir);
  const shards = Array.from({ length: Math.ceil(rows / ROWS_PER_SHARD) }, (_, i) => ({
    firstRow: i * ROWS_PER_SHARD,
    rows: Math.min(ROWS_PER_SHARD, rows - i * ROWS_PER_SHARD),
    files: harvestFiles(shardFolder(i)),
  }));
  const ctx = { storage, signal: new AbortController().signal, progress: () => undefined };
  const began = { cpu: process.cpuUsage(), wall: performance.now() };
  const files: FileInfo[] = [];
  for (let index = 0; index < parts; index++) {
    const rowStart = Math.floor((index * rows) / parts);
    const rowEnd = Math.floor(((index + 1) * rows) / parts);
    const mine = shards.filter((s) => s.firstRow < rowEnd && s.firstRow + s.rows > rowStart);
    files.push(...(await release({ index, parts, rowStart, rowEnd, dimension, shards: mine }, ctx)).files);
  }
  const { user, system } = process.cpuUsage(began.cpu);
  const wall = (performance.now() - began.wall) / 1000;
  await storage.remove('release');
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const memory = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(
    `${rows} rows, ${dimension} dimensions, ${parts} parts of ${(bytes / 1e9).toFixed(2)} GB together: ` +
      `${((user + system) / 1e6).toFixed(2)} CPU-s (${(system / 1e6).toFixed(2)} of them in the system), ` +
      `${wall.toFixed(1)} s; peak memory ${memory} MiB\n`,
  );
}

function shardFolder(index: number): string {
  return `harvest/${String(index).padStart(5, '0')}-made`;
}

/** Shards as harvest leaves them, but for images, which are bytes without a meaning. */
async function makeShards(storage: Storage, { rows, dimension, imageBytes }: Shape): Promise<void> {
  for (let shard = 0; shard * ROWS_PER_SHARD < rows; shard++) {
    const first = shard * ROWS_PER_SHARD;
    const count = Math.min(ROWS_PER_SHARD, rows - first);
    const files = harvestFiles(shardFolder(shard));
    const random = mulberry(shard);
    const hex = (digits: number): string =>
      Array.from({ length: digits / 8 }, () =>
        Math.floor(random() * 2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      ).join('');

    const tarFile = await storage.create(files.images);
    const tar = createTarWriter(tarFile);
    const image = randomFillSync(new Uint8Array(2 * imageBytes));
    const records = [];
    for (let i = 0; i < count; i++) {
      const size = Math.ceil(imageBytes * (0.5 + random()));
      const { offset } = await tar.add(`${String(i).padStart(9, '0')}.jpg`, image.subarray(0, size));
      const pair = pairOf(first + i, Math.floor((first + i) / 15), shard);
      records.push({
        ...pair,
        width: 200 + Math.floor(2000 * random()),
        height: 200 + Math.floor(1500 * random()),
        stored_width: 256,
        stored_height: 128 + Math.floor(128 * random()),
        format: random() < 0.9 ? 'jpeg' : 'webp',
        sha256: hex(64),
        phash: hex(16),
        nsfw: random() < 0.03 ? 'UNSURE' : 'UNLIKELY',
        tags: '',
        harvested_at: `2026-11-21T20:${String(i % 60).padStart(2, '0')}:00Z`,
        similarity: 0.3 + 0.15 * random() ** 2,
        image_offset: BigInt(offset),
        image_bytes: size,
      });
    }
    await tar.finish();
    await tarFile.commit();

    const rowsFile = await storage.create(files.rows);
    const table = createParquetWriter(rowsFile, HARVEST_COLUMNS);
    await table.writeRowGroup(records);
    await table.finish();
    await rowsFile.commit();

    const matrix = new Uint16Array(count * dimension);
    for (const path of [files.imageEmbeddings, files.textEmbeddings]) {
      randomFillSync(matrix);
      // Without the highest bit of the exponent: numbers below 2, and none that is not a number.
      for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] ?? 0) & 0xbfff;
      const file = await storage.create(path);
      await file.write(npyHeader({ dtype: 'float16', rows: count, columns: dimension }));
      await file.write(new Uint8Array(matrix.buffer));
      await file.commit();
    }
  }
}
