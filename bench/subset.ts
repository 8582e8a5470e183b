import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import sharp from 'sharp';
import { GLEANER_VERSION, loadRecipe } from '../src/config/index.ts';
import { diffRuns, subsetRun } from '../src/executors/index.ts';
import { createParquetWriter, createTarWriter, npyHeader } from '../src/formats/index.ts';
import { writeManifest } from '../src/pipeline/manifest.ts';
import { beginRun } from '../src/pipeline/run-file.ts';
import { FUNNEL_STEPS, pairUid, type Row, type StepLedgers, type Uid } from '../src/schema/index.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../src/stages/released.ts';
import { writeReport } from '../src/stages/report/index.ts';
import { DROPPED_COLUMNS } from '../src/stages/tables.ts';
import { writeFile, writeFiles } from '../src/stages/write-file.ts';
import { type ByteSink, type FileInfo, fileStorage, type Storage } from '../src/storage/index.ts';
import { releaseRecord, sampleJson } from '../test/support/released-row.ts';
import { cpuSeconds } from './cpu.ts';

/** What is measured: the options of a subset, or the comparison of the first of them with the whole. */
const CASES = {
  where: { where: 'WIDTH >= 512 AND similarity > 0.32' },
  sample: { sample: 0.018, seed: 1 },
  diff: undefined,
} as const;
type Case = keyof typeof CASES;

const PARTS = 32;
const ROWS_PER_GROUP = 50_000;

/**
 * Subsets of a made release, and the comparison of one with the whole: CPU time and the peak of memory, each in a process
 * of its own with one thread. The sample is the paper's share, 7.2 of 400 million. Images are of some 300 bytes.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      dimension: { type: 'string', default: '512' },
      dir: { type: 'string' },
      measure: { type: 'string' },
    },
  });
  const [rows, dimension] = [Number(values.rows), Number(values.dimension)];
  if (values.measure && values.dir) return measure(values.dir, values.measure as Case, rows);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    if (!existsSync(join(dir, 'made', 'release', 'stats.json')))
      await makeRun(join(dir, 'made'), rows, dimension);
    for (const name of Object.keys(CASES)) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        ...['subset', '--measure', name, '--dir', dir, '--rows', values.rows],
      ]);
      process.stdout.write(stdout);
    }
  } finally {
    if (!values.dir) await rm(dir, { recursive: true, force: true });
  }
}

async function measure(dir: string, name: Case, rows: number): Promise<void> {
  const [made, out] = [join(dir, 'made'), join(dir, name)];
  const began = { cpu: cpuSeconds(), wall: performance.now() };
  let said: string;
  const given = CASES[name];
  if (given) {
    await rm(out, { recursive: true, force: true });
    const options = 'sample' in given ? { ...given, sample: Math.round(rows * given.sample) } : given;
    await subsetRun({ dir: made, out, workers: 1, ...options });
    said = JSON.stringify(options);
  } else {
    const { went, changed } = await diffRuns({ a: made, b: join(dir, 'where'), limit: 0 });
    said = `${went.pairs} went, ${changed.of} in both`;
  }
  const cpu = cpuSeconds() - began.cpu;
  const wall = (performance.now() - began.wall) / 1000;
  const peak = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(
    `${name.padEnd(7)} ${rows} rows: ${cpu.toFixed(1)} CPU-s, ${wall.toFixed(1)} s, peak ${peak.toFixed(0)} MiB (${said})\n`,
  );
}

/** A finished run as its folder has it, from its release on. */
async function makeRun(dir: string, rows: number, dimension: number): Promise<void> {
  const storage = fileStorage(dir);
  const recipe = loadRecipe('everything');
  const model = { name: 'made', dimension, files: {} };
  await beginRun(storage, {
    ...{
      recipe,
      model,
      wats: [],
      seen: [],
      blocklists: {},
      categories: null,
      modelDir: null,
      provider: null,
    },
    images: { kind: 'web', allowHosts: [] },
  });
  const jpeg = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
    .jpeg({ quality: 30 })
    .toBuffer();
  const files: FileInfo[] = [];
  const finish = (
    stage: 'release' | 'trail' | 'report',
    index: number,
    left: FileInfo[],
    facts = {},
    ledgers = {},
  ) => {
    files.push(...left);
    return writeManifest(storage, { stage, index, fingerprint: 'made' }, { files: left, facts, ledgers }, 0);
  };
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [Math.floor((part * rows) / PARTS), Math.floor(((part + 1) * rows) / PARTS)];
    const left = await makePart(storage, part, { from, to, rows, dimension, jpeg });
    await finish('release', part, left, { rows: to - from });
  }
  const trail = await writeFile(storage, 'release/dropped/harvest_00000.parquet', (sink) =>
    createParquetWriter(sink, DROPPED_COLUMNS).finish(),
  );
  const same = { in: rows, out: rows, dropped: {} };
  const steps = FUNNEL_STEPS.filter((step) => step !== 'selected').map((step) => [step, same]);
  const ledgers = Object.fromEntries(steps) as StepLedgers;
  await finish('trail', 0, [trail], {}, ledgers);
  const report = await writeReport(storage, { gleaner: GLEANER_VERSION, recipe, model, ledgers, files });
  await finish('report', 0, report);
}

async function makePart(
  storage: Storage,
  part: number,
  made: { from: number; to: number; rows: number; dimension: number; jpeg: Uint8Array },
): Promise<FileInfo[]> {
  const { from, to, dimension, jpeg } = made;
  const paths = releaseFiles(part, PARTS);
  const left = await writeFiles(storage, [paths.metadata, paths.images], async ([metadata, images]) => {
    const table = createParquetWriter(metadata as ByteSink, RELEASE_COLUMNS, { codec: 'SNAPPY' });
    const tar = createTarWriter(images as ByteSink);
    for (let at = from; at < to; at += ROWS_PER_GROUP) {
      const group = Array.from({ length: Math.min(ROWS_PER_GROUP, to - at) }, (_, i) =>
        madeRow(at + i, made.rows),
      );
      for (const row of group) {
        await tar.add(`${row.key}.jpg`, jpeg);
        await tar.add(`${row.key}.json`, Buffer.from(sampleJson(row)));
        await tar.add(`${row.key}.txt`, Buffer.from(row.text));
      }
      await table.writeRowGroup(group.map(releaseRecord));
    }
    await table.finish();
    await tar.finish();
  });
  for (const path of [paths.imageEmbeddings, paths.textEmbeddings])
    left.push(
      await writeFile(storage, path, async (sink) => {
        await sink.write(npyHeader({ dtype: 'float16', rows: to - from, columns: dimension }));
        const bytes = new Uint8Array(2 * dimension * 1000);
        for (let at = from; at < to; at += 1000) {
          randomFillSync(bytes);
          await sink.write(bytes.subarray(0, 2 * dimension * Math.min(1000, to - at)));
        }
      }),
    );
  return left;
}

/** Widths and similarities are such that about every second row fulfils the condition of `CASES`. */
function madeRow(n: number, rows: number): Row {
  const text = `A picture of something on a page, number ${n}, as it may well be described there`;
  const url = `https://images${n % 997}.example/some/folder/${n % 31}/picture-${n}.jpg`;
  const hash = pairUid(url, text);
  // In order, as those of a release are.
  const lead = Math.floor((n / rows) * 2 ** 32);
  const uid =
    `${lead.toString(16).padStart(8, '0')}${n.toString(16).padStart(8, '0')}${hash.slice(16)}` as Uid;
  const side = Number.parseInt(hash.slice(0, 4), 16);
  const draw = Number.parseInt(hash.slice(4, 8), 16) / 65_536;
  return {
    ...{ uid, url, text, pageUrl: `https://pages.example/${n % 9973}.html`, wat: `made.wat.gz#${n}` },
    ...{ license: '?', language: n % 7 === 0 ? 'de' : 'en', languageConfidence: Math.fround(draw) },
    ...{ width: 256 + (side % 1024), height: 256 + (side % 768), storedWidth: 256, storedHeight: 256 },
    ...{ format: 'jpeg', sha256: hash + hash, phash: hash.slice(0, 16), nsfw: 'UNLIKELY', tags: '' },
    similarity: 0.3 + draw * 0.1,
    harvestedAt: '2026-11-21T00:00:00Z',
    sampleId: BigInt(n),
    key: String(n).padStart(12, '0'),
  };
}
