import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runLocally } from '../src/executors/index.ts';
import type { StageProgress } from '../src/pipeline/index.ts';

const SHARED = join(import.meta.dirname, '..', '..', 'shared', 'data');

/**
 * The whole way on a real case, from a WAT file and an archive to a release: pairs a second, wall and CPU time of
 * each stage, and the peak of memory. Everything runs in threads of this process, so its own counters see it all.
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
    await rm(out, { recursive: true, force: true });
  }
  const wall = (performance.now() - began.wall) / 1000;
  rows.push(['all', '', wall.toFixed(2), (cpuSeconds() - began.cpu).toFixed(2), '', '']);
  for (const cells of rows) process.stdout.write(`| ${cells.join(' | ')} |\n`);
  process.stdout.write(`peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
}

function row({ stage, done, seconds }: StageProgress, cpu: number): string[] {
  const perThing = done > 0 ? [(done / seconds).toFixed(0), ((1000 * cpu) / done).toFixed(2)] : ['', ''];
  return [stage, String(done), seconds.toFixed(2), cpu.toFixed(2), ...perThing];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
