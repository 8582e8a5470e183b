import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPhotoOrigin } from './photo-origin.ts';
import { measureTree, type TreeMeasure } from './process-tree.ts';

const ROOT = join(import.meta.dirname, '..');

/** img2dataset's and our words for the same work. */
const MODES = {
  border: { ours: ['--resize-mode', 'border'], theirs: ['--resize_mode=border'] },
  keep_ratio: { ours: ['--resize-mode', 'keep_ratio'], theirs: ['--resize_mode=keep_ratio'] },
  'fetch+write': { ours: ['--disable-all-reencoding'], theirs: ['--disable_all_reencoding=True'] },
} as const;

/**
 * `gleaner download` beside img2dataset on the same lists from the same origin, rounds about: CPU-seconds of the whole
 * process tree a 1,000 URLs, images a second, start (a list of two) and peak memory. `--peers` names the folder that the
 * setup.sh of ../shared/peers/download made.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '' },
      data: { type: 'string', default: join(ROOT, '../shared/data') },
      n: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '3' },
      modes: { type: 'string', default: Object.keys(MODES).join(',') },
      workers: { type: 'string', default: '' },
    },
  });
  const built = join(ROOT, 'dist/cli/gleaner.js');
  if (!existsSync(built)) {
    process.stdout.write('skipped: run npm run build first: what users run is measured\n');
    return;
  }
  const origin = await startPhotoOrigin(values.data);
  if (!origin) {
    process.stdout.write(`skipped: there are no photos in ${values.data}; name their folder with --data\n`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  const out = join(folder, 'out');
  const results = new Map<string, TreeMeasure[]>();
  try {
    const n = Number(values.n);
    const lists = { all: join(folder, 'all.txt'), few: join(folder, 'few.txt') };
    await writeFile(lists.all, `${origin.urls(n).join('\n')}\n`);
    await writeFile(lists.few, `${origin.urls(2).join('\n')}\n`);
    // 256 in flight, as many for each address as img2dataset's threads come to.
    const recipe = join(folder, 'bench.yaml');
    await writeFile(recipe, 'name: bench\nfetch: { concurrency: 256, perDomainConcurrency: 16 }\n');
    const ours = (list: string, more: readonly string[]): readonly string[] => [
      ...[process.execPath, built, 'download', '--urls', list, '--out', out, '--recipe', recipe],
      ...['--number-sample-per-shard', '1000', ...more, '--allow-host', ...origin.hosts],
      ...(values.workers === '' ? [] : ['--workers', values.workers]),
    ];
    const peer = join(values.peers, 'venv/bin/img2dataset');
    const theirs = (list: string, more: readonly string[]): readonly string[] => [
      ...[peer, `--url_list=${list}`, `--output_folder=${out}`, '--image_size=256', '--encode_quality=95'],
      ...['--output_format=webdataset', '--input_format=txt', '--processes_count=2', '--thread_count=64'],
      ...['--number_sample_per_shard=1000', ...more],
    ];
    const hasPeer = values.peers !== '' && existsSync(peer);
    if (!hasPeer)
      process.stdout.write(
        'skipped: img2dataset; make it with ../shared/peers/download/setup.sh, then --peers DIR\n',
      );
    const run = async (name: string, command: readonly string[]) => {
      // albumentations asks the network for updates otherwise.
      const measured = await measureTree(command, { NO_ALBUMENTATIONS_UPDATE: '1', WANDB_MODE: 'disabled' });
      await rm(out, { recursive: true, force: true });
      results.set(name, [...(results.get(name) ?? []), measured]);
      const { cpu, wall, peakMB, peakRssMB } = measured;
      process.stderr.write(
        `${name}: ${cpu.toFixed(2)} CPU-s, ${wall.toFixed(2)} s, ${peakMB.toFixed(0)} MB (RSS ${peakRssMB.toFixed(0)})\n`,
      );
    };
    const modes = values.modes.split(',').filter((mode): mode is keyof typeof MODES => mode in MODES);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const mode of modes) {
        await run(`gleaner, ${mode}`, ours(lists.all, MODES[mode].ours));
        if (hasPeer) await run(`img2dataset, ${mode}`, theirs(lists.all, MODES[mode].theirs));
      }
      await run('gleaner, two URLs', ours(lists.few, []));
      if (hasPeer) await run('img2dataset, two URLs', theirs(lists.few, []));
    }
    print(results, n);
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function print(results: ReadonlyMap<string, readonly TreeMeasure[]>, n: number): void {
  process.stdout.write(
    `${n} URLs, 256 pixels, quality 95; Node ${process.versions.node}; medians (ranges)\n\n`,
  );
  process.stdout.write(
    '| row | CPU-s / 1,000 | wall s | images/s | peak MB | sum of RSS |\n| --- | --- | --- | --- | --- | --- |\n',
  );
  for (const [name, runs] of results) {
    const few = name.endsWith('two URLs');
    const cpu = runs.map((run) => (few ? run.cpu : (run.cpu / n) * 1000));
    const wall = median(runs.map((run) => run.wall));
    const cells = [
      name,
      `${few ? 'in all ' : ''}${median(cpu).toFixed(2)} (${Math.min(...cpu).toFixed(2)}-${Math.max(...cpu).toFixed(2)})`,
      wall.toFixed(2),
      few ? '' : (n / wall).toFixed(0),
      Math.max(...runs.map((run) => run.peakMB)).toFixed(0),
      Math.max(...runs.map((run) => run.peakRssMB)).toFixed(0),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}
