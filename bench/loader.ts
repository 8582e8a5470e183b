import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openLoader } from '../src/loader/index.ts';
import { measureTree } from './process-tree.ts';

/** Epochs of the shorter and of the longer run: what starting costs is in both, and not in their difference. */
const EPOCHS = [1, 5] as const;

/**
 * Samples a CPU-second of the loader beside webdataset with torch's DataLoader: the same tars, decoded, brought to a square of
 * 64 and of 224 pixels (bicubic), batches of 64, 2 workers. Each is a process of its own, measured with all that it begins; the
 * difference of five epochs and one. `--from` names a folder of tars, as a release's images/; `--peers` the folder with a
 * virtual environment `venv` that has torch, webdataset and Pillow.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      from: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      sizes: { type: 'string', default: '64,224' },
      workers: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      run: { type: 'string' },
    },
  });
  const [tars, python] = [resolve(values.from), resolve(values.peers, 'venv/bin/python')];
  if (values.run) return run(tars, values.run);
  if (values.from === '' || !existsSync(join(tars, '00000.tar'))) {
    process.stdout.write("skipped: no tars; name a release's images/ with --from DIR\n");
    return;
  }
  const hasPython = values.peers !== '' && existsSync(python);
  if (!hasPython)
    process.stdout.write('skipped: webdataset; name the folder of a virtual environment with --peers DIR\n');
  process.stdout.write(`${cpus()[0]?.model}, Node ${process.versions.node}\n`);
  const here = import.meta.dirname;
  for (const size of values.sizes.split(',')) {
    const ours = (epochs: number) => [
      ...[process.execPath, join(here, 'main.ts'), 'loader', '--from', tars],
      ...['--run', `${size},${values.workers},${epochs}`],
    ];
    const theirs = (epochs: number) => [
      ...[python, join(here, 'loader.py'), join(tars, '{00000..00031}.tar')],
      ...[size, values.workers, '64', String(epochs)],
    ];
    const found = { ours: [] as string[], theirs: [] as string[] };
    for (let round = 0; round < Number(values.rounds); round++) {
      found.ours.push(await samplesOf(ours));
      if (hasPython) found.theirs.push(await samplesOf(theirs));
    }
    process.stdout.write(
      `${size} pixels, ${values.workers} workers: ours ${found.ours.join(', ')}; webdataset and torch ${found.theirs.join(', ')}\n`,
    );
  }
}

async function run(tars: string, named: string): Promise<void> {
  const [imageSize = 64, workers = 2, epochs = 1] = named.split(',').map(Number);
  let samples = 0;
  await using loader = await openLoader({
    from: tars,
    batchSize: 64,
    imageSize,
    workers,
    epochs,
    dropLast: false,
  });
  for await (const { keys } of loader) samples += keys.length;
  process.stderr.write(`${samples}\n`);
}

/** Samples a CPU-second, and the peak of memory. */
async function samplesOf(command: (epochs: number) => readonly string[]): Promise<string> {
  const measured: { cpu: number; samples: number; peakMB: number }[] = [];
  for (const epochs of EPOCHS) {
    let said = '';
    const { cpu, peakMB } = await measureTree(command(epochs), {}, (text) => {
      said += text;
    });
    measured.push({ cpu, peakMB, samples: Number(/(\d+)\s*$/.exec(said)?.[1]) });
  }
  const [short, long] = measured;
  if (!short || !long) throw new Error('there are two runs');
  const rate = (long.samples - short.samples) / (long.cpu - short.cpu);
  return `${rate.toFixed(0)} samples a CPU-s (start ${(short.cpu - short.samples / rate).toFixed(1)} CPU-s, ${long.peakMB.toFixed(0)} MB)`;
}
