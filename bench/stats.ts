import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type ReportInput, writeReport } from '../src/stages/report/index.ts';
import { fileStorage } from '../src/storage/index.ts';
import { makeRelease } from './made-release.ts';

/**
 * What the report of a release takes, in a process of its own: stats.json, report.html, README.md and croissant.json of
 * made metadata and a made trail, and what reading stats.json back takes. CPU-seconds with and without the start of the
 * process, and the peak of memory. Embeddings are not made: nothing of a report reads them.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      dropped: { type: 'string', default: '2000000' },
      runs: { type: 'string', default: '3' },
      dir: { type: 'string' },
      measure: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  if (values.measure && values.dir) return measure(values.dir);
  const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'gleaner-bench-')));
  try {
    const input = await makeRelease(fileStorage(dir), Number(values.rows), Number(values.dropped));
    await writeFile(join(dir, 'input.json'), JSON.stringify(input));
    for (let run = 0; run < Number(values.runs); run++) {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'main.ts'),
        ...['stats', '--measure', '--dir', dir],
      ]);
      process.stdout.write(stdout);
    }
  } finally {
    if (!values.keep) await rm(dir, { recursive: true, force: true });
  }
}

async function measure(dir: string): Promise<void> {
  const input: ReportInput = JSON.parse(await readFile(join(dir, 'input.json'), 'utf8'));
  const began = { cpu: process.cpuUsage(), wall: performance.now() };
  const written = await writeReport(fileStorage(dir), { ...input, files: [] });
  const { user, system } = process.cpuUsage(began.cpu);
  const all = process.cpuUsage();
  const wall = (performance.now() - began.wall) / 1000;
  const bytes = written.reduce((sum, file) => sum + file.bytes, 0);
  process.stdout.write(
    `${input.ledgers.safe.out} rows, ${input.ledgers.link.in - input.ledgers.safe.out} dropped: ` +
      `${((user + system) / 1e6).toFixed(2)} CPU-s (with the start ${((all.user + all.system) / 1e6).toFixed(2)}), ` +
      `${wall.toFixed(2)} s, peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB, ` +
      `${Math.round(bytes / 1000)} kB written\n`,
  );
}
