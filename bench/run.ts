import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runLocally } from '../src/executors/index.ts';
import type { StageProgress } from '../src/pipeline/index.ts';
import { cpuSeconds } from './cpu.ts';
import { residentBytes } from './process-tree.ts';

const SHARED = join(import.meta.dirname, '..', '..', 'shared', 'data');

/**
 * The whole way on a real case, from a WAT file and an archive to a release: pairs a second, wall and CPU time of
 * each stage, and the peak of memory, of this process and those that it begins. CPU time of children is known on Linux alone.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      wat: { type: 'string', default: join(SHARED, 'wat/generated/gimp-help-en.warc.wat.gz') },
      'images-from': { type: 'string', default: join(SHARED, 'warc/gimp-help-en-images.warc.gz') },
      recipe: { type: 'string', default: 'everything' },
      model: { type: 'string', default: 'gleaner-mini' },
      workers: { type: 'string', default: '2' },
    },
  });
  if (!existsSync(values.wat)) {
    process.stdout.write(`skipped: there is no ${values.wat}; name your own with --wat and --images-from\n`);
    return;
  }
  const out = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  const rows: string[][] = [['stage', 'things', 'wall s', 'CPU s', 'things/s', 'CPU ms a thing']];
  let cpu = cpuSeconds();
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentBytes(process.pid, true).pss);
  }, 250);
  const began = { wall: performance.now(), cpu };
  try {
    await runLocally({
      recipe: values.recipe,
      wats: [values.wat],
      imagesFrom: [values['images-from']],
      model: values.model,
      workers: Number(values.workers),
      out,
      onProgress(progress) {
        if (!progress.finished) return;
        const used = cpuSeconds() - cpu;
        cpu += used;
        rows.push(row(progress, used));
      },
    });
  } finally {
    clearInterval(watch);
    await rm(out, { recursive: true, force: true });
  }
  const wall = (performance.now() - began.wall) / 1000;
  rows.push(['all', '', wall.toFixed(2), (cpuSeconds() - began.cpu).toFixed(2), '', '']);
  for (const cells of rows) process.stdout.write(`| ${cells.join(' | ')} |\n`);
  const peakMiB = Math.round(peak / 2 ** 20);
  process.stdout.write(`peak memory of all processes ${peakMiB} MiB (pages that they share count once)\n`);
}

function row({ stage, done, seconds }: StageProgress, cpu: number): string[] {
  const perThing = done > 0 ? [(done / seconds).toFixed(0), ((1000 * cpu) / done).toFixed(2)] : ['', ''];
  return [stage, String(done), seconds.toFixed(2), cpu.toFixed(2), ...perThing];
}
