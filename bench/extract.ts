import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listDifferences } from './extract-differences.ts';
import { compareWithSpark } from './extract-spark.ts';

const ROOT = new URL('../', import.meta.url).pathname;
const HARNESS = join(ROOT, '../shared/peers/extract');

/** One timed command: what it is called, and its program with arguments; `{out}` becomes a fresh folder. */
interface Row {
  readonly name: string;
  readonly command: readonly string[];
}

interface Measured {
  readonly cpu: number;
  readonly wall: number;
  readonly peakMiB: number;
}

/**
 * Extraction beside its peers, each a process of its own, rounds about. `--peers` names the folder that the setup.sh of
 * ../shared/peers/extract made, `--wats` a file of its make-wat.py or several, parted by commas.
 * `--spark` measures cc2dataset's job over several files beside extract and dedup instead of the rows of one file.
 * `--differences` measures nothing: it explains each pair that is another than the reference reader's.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      wats: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      spark: { type: 'boolean', default: false },
      differences: { type: 'boolean', default: false },
    },
  });
  const wats = values.wats.split(',').filter((name) => name !== '');
  const [wat] = wats;
  const built = join(ROOT, 'dist/cli/gleaner.js');
  const needed = values.differences
    ? ([join(HARNESS, 'reference.py'), 'the reference reader lies in ../shared/peers/extract'] as const)
    : ([built, 'run npm run build first: what users run is measured'] as const);
  for (const [path, how] of [
    [wat, 'make a WAT with ../shared/peers/extract/make-wat.py and name it with --wats'],
    needed,
  ] as const)
    if (path === undefined || !existsSync(path)) {
      process.stdout.write(`skipped: ${how}\n`);
      return;
    }
  if (values.differences) return listDifferences(wats, HARNESS);
  if (values.spark) return spark(wats, values.peers, built, Number(values.rounds));
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const plain = join(folder, 'plain.yaml');
    await writeFile(plain, 'name: plain\nextract:\n  detectLanguage: false\n');
    const extract = (recipe: string, files: readonly string[], workers: number): readonly string[] => [
      ...[
        process.execPath,
        built,
        'extract',
        '--recipe',
        recipe,
        '--out',
        '{out}',
        '--workers',
        String(workers),
      ],
      ...['--wat', ...files],
    ];
    const rows: Row[] = [
      {
        name: 'floor: gunzip of Node',
        command: [process.execPath, join(ROOT, 'bench/gunzip.mjs'), String(wat)],
      },
      { name: 'gleaner, no language', command: extract(plain, [String(wat)], 1) },
      { name: 'gleaner, laion400m', command: extract('laion400m', [String(wat)], 1) },
    ];
    const python = join(values.peers, 'venv/bin/python');
    if (values.peers !== '' && existsSync(python)) {
      const peers = join(HARNESS, 'peers.py');
      rows.push(
        { name: 'cc2dataset process_wat', command: [python, peers, 'cc2dataset_process_wat', String(wat)] },
        { name: 'fastwarc + simdjson', command: [python, peers, 'fastwarc_simdjson_lazy', String(wat)] },
      );
    } else
      process.stdout.write(
        'skipped: the peers; make them with ../shared/peers/extract/setup.sh, then --peers DIR\n',
      );
    if (wats.length > 1)
      for (const workers of [1, 2])
        rows.push({
          name: `gleaner, ${wats.length} files, ${workers} threads`,
          command: extract(plain, wats, workers),
        });

    const results = new Map<string, Measured[]>();
    for (let round = 0; round < Number(values.rounds); round++)
      for (const row of rows) {
        const out = join(folder, 'out');
        const measured = await time(row.command.map((part) => part.replace('{out}', out)));
        await rm(out, { recursive: true, force: true });
        results.set(row.name, [...(results.get(row.name) ?? []), measured]);
      }
    print(results, statSync(String(wat)).size);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function spark(wats: readonly string[], peers: string, built: string, rounds: number): Promise<void> {
  if (!existsSync(join(peers, 'venv/bin/python')) || peers === '')
    process.stdout.write(
      'skipped: the peers; make them with ../shared/peers/extract/setup.sh, then --peers DIR\n',
    );
  else await compareWithSpark({ wats, peers, harness: HARNESS, built, rounds });
}

/** Runs a command to its end; CPU time and peak memory are those that the system counted for it. */
async function time(command: readonly string[]): Promise<Measured> {
  const log = join(tmpdir(), `gleaner-bench-${process.pid}.time`);
  const began = performance.now();
  const child = spawn('/usr/bin/time', ['-f', '%U %S %M', '-o', log, ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const status = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}`);
  const [user = 0, system = 0, kib = 0] = (await readFile(log, 'utf8')).trim().split(' ').map(Number);
  await rm(log);
  return { cpu: user + system, wall: (performance.now() - began) / 1000, peakMiB: kib / 1024 };
}

function print(results: ReadonlyMap<string, readonly Measured[]>, bytes: number): void {
  const cpu = (name: string) => median(results.get(name)?.map((m) => m.cpu) ?? []);
  const floor = cpu('floor: gunzip of Node');
  const peer = cpu('cc2dataset process_wat');
  process.stdout.write(
    `${(bytes / 1e6).toFixed(1)} MB compressed; Node ${process.versions.node}; medians\n\n`,
  );
  process.stdout.write(
    '| row | CPU s | wall s | peak MiB | × gunzip | process_wat ÷ |\n| --- | --- | --- | --- | --- | --- |\n',
  );
  for (const [name, runs] of results) {
    const all = cpu(name);
    const cells = [
      name,
      all.toFixed(2),
      median(runs.map((m) => m.wall)).toFixed(2),
      median(runs.map((m) => m.peakMiB)).toFixed(0),
      (all / floor).toFixed(2),
      Number.isNaN(peer) ? '' : (peer / all).toFixed(2),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}
