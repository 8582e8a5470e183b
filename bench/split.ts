import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runLocally } from '../src/executors/index.ts';
import { gzipMember } from '../src/formats/index.ts';
import { readManifests, type StageName } from '../src/pipeline/index.ts';
import { fileStorage } from '../src/storage/index.ts';
import { watRecord } from '../test/support/crawl.ts';
import { cpuSeconds } from './cpu.ts';
import { startPhotoOrigin } from './photo-origin.ts';

const ROOT = join(import.meta.dirname, '..');

/**
 * Fetch and score apart beside both in one: CPU-seconds of each stage with all its processes and threads, and what lies on
 * disk between the two. On photos of a loopback origin, of which a threshold keeps some.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: join(ROOT, '../shared/data') },
      model: { type: 'string', default: 'gleaner-mini' },
      n: { type: 'string', default: '3000' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const origin = await startPhotoOrigin(values.data);
  if (!origin) {
    process.stdout.write(`skipped: no photos in ${values.data} (--data)\n`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const n = Number(values.n);
    const pairs = origin.urls(n).map((url, i) => ({ url, alt: `A photo of something, number ${i}` }));
    const wat = join(folder, 'photos.warc.wat.gz');
    await writeFile(wat, gzipMember(watRecord('http://page.example/', pairs)));
    const run = (out: string, apart: boolean) =>
      stagesOf({ out, wat, hosts: origin.hosts, model: values.model, apart, pairsPerTask: Math.ceil(n / 8) });
    process.stdout.write(
      `${n} pairs, ${values.model}\n\n` +
        '| fused: harvest | apart: fetch | harvest | both | ratio | CPU-ms a pair more | bytes a pair in tars | in outcomes |\n' +
        '| --- | --- | --- | --- | --- | --- | --- | --- |\n',
    );
    for (let round = 0; round < Number(values.rounds); round++) {
      const [one, two] = [join(folder, 'fused'), join(folder, 'apart')];
      const fused = (await run(one, false)).harvest ?? 0;
      const { fetch = 0, harvest = 0 } = await run(two, true);
      const both = fetch + harvest;
      const seconds = [fused, fetch, harvest, both, both / fused, (1000 * (both - fused)) / n];
      const bytes = await bytesFetched(two);
      const cells = [...seconds.map((cell) => cell.toFixed(2)), ...bytes.map((sum) => Math.round(sum / n))];
      process.stdout.write(`| ${cells.join(' | ')} |\n`);
      for (const out of [one, two]) await rm(out, { recursive: true });
    }
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly out: string;
  readonly wat: string;
  readonly hosts: readonly string[];
  readonly model: string;
  readonly apart: boolean;
  readonly pairsPerTask: number;
}

/** CPU-seconds of each stage up to the harvest. */
async function stagesOf({ out, wat, hosts, model, apart, pairsPerTask }: Run) {
  const seconds: Partial<Record<StageName, number>> = {};
  let before = 0;
  await runLocally({
    recipe: 'everything',
    overrides: {
      fetch: { concurrency: 256, perDomainConcurrency: 16, respectRobots: false },
      harvest: { pairsPerTask },
      score: { minSimilarity: 0.25 },
    },
    ...(apart && { fetchApart: true, keepFetched: true }),
    wats: [wat],
    allowHosts: hosts,
    model,
    out,
    until: 'harvest',
    onProgress({ stage, finished }) {
      if (!finished) return;
      seconds[stage] = cpuSeconds() - before;
      before = cpuSeconds();
    },
  });
  return seconds;
}

/** Bytes of all tars, and of what is said of each pair beside them. */
async function bytesFetched(run: string): Promise<readonly [images: number, outcomes: number]> {
  const files = (await readManifests(fileStorage(run), 'fetch')).flatMap((manifest) => manifest.files);
  const sum = async (name: string) => {
    const sizes = files.filter(({ path }) => path.endsWith(name)).map(({ path }) => stat(join(run, path)));
    return (await Promise.all(sizes)).reduce((total, { size }) => total + size, 0);
  };
  return [await sum('/images.tar'), await sum('/outcomes.parquet')];
}
