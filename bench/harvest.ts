import { existsSync, globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadClip, resolveModel } from '../src/clip/index.ts';
import { runLocally } from '../src/executors/index.ts';
import { gzipMember, readParquetRows } from '../src/formats/index.ts';
import { openFile } from '../src/storage/index.ts';
import { watRecord } from '../test/support/crawl.ts';
import { cpuSeconds } from './cpu.ts';
import { startPhotoOrigin } from './photo-origin.ts';
import { measureTree } from './process-tree.ts';

const ROOT = join(import.meta.dirname, '..');
/** Share of the pairs that the threshold of the bench keeps, as CLIP's 0.3 keeps of the open web. */
const KEPT = 0.1;

/**
 * Harvest, which fetches, scores and keeps a tenth, beside `gleaner download` of all and `gleaner embed` of what that left:
 * CPU-seconds of all processes, and what remains of them without the model's. On photos of a loopback origin.
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
  const built = join(ROOT, 'dist/cli/gleaner.js');
  const origin = existsSync(built) ? await startPhotoOrigin(values.data) : undefined;
  if (!origin) {
    process.stdout.write(`skipped: it takes npm run build, and photos in ${values.data} (--data)\n`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const n = Number(values.n);
    const pairs = origin.urls(n).map((url, i) => ({ url, alt: `A photo of something, number ${i}` }));
    const wat = join(folder, 'photos.warc.wat.gz');
    const list = join(folder, 'photos.jsonl');
    const recipe = join(folder, 'bench.yaml');
    await writeFile(wat, gzipMember(watRecord('http://page.example/', pairs)));
    await writeFile(list, pairs.map(({ url, alt }) => `${JSON.stringify({ url, caption: alt })}\n`).join(''));
    await writeFile(recipe, 'name: bench\nfetch: { concurrency: 256, perDomainConcurrency: 16 }\n');
    const harvest = (out: string, minSimilarity: number | null) =>
      harvestCpu({ out, wat, hosts: origin.hosts, model: values.model, minSimilarity });
    const all = join(folder, 'all');
    await harvest(all, null);
    const minSimilarity = await quantile(all, 1 - KEPT);
    const model = await modelCpu(values.model, n);
    process.stdout.write(
      `${n} pairs, a tenth kept, ${values.model}: the model alone ${model.toFixed(2)} CPU-s\n\n` +
        '| harvest | download | embed | harvest without the model | download + embed without it | ratio |\n' +
        '| --- | --- | --- | --- | --- | --- |\n',
    );
    for (let round = 0; round < Number(values.rounds); round++) {
      const out = join(folder, 'out');
      const images = join(folder, 'images');
      const fused = await harvest(out, minSimilarity);
      const download = await measureTree([
        ...[
          process.execPath,
          built,
          'download',
          '--urls',
          list,
          '--url-col',
          'url',
          '--caption-col',
          'caption',
        ],
        ...['--out', images, '--recipe', recipe, '--allow-host', ...origin.hosts],
      ]);
      const embed = await measureTree([
        ...[process.execPath, built, 'embed', images, '--out', join(folder, 'embeddings')],
        ...['--model', values.model],
      ]);
      for (const name of ['out', 'images', 'embeddings']) await rm(join(folder, name), { recursive: true });
      const [one, other] = [fused - model, download.cpu + embed.cpu - model];
      const cells = [fused, download.cpu, embed.cpu, one, other, one / other];
      process.stdout.write(`| ${cells.map((cell) => cell.toFixed(2)).join(' | ')} |\n`);
    }
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Harvest {
  readonly out: string;
  readonly wat: string;
  readonly hosts: readonly string[];
  readonly model: string;
  readonly minSimilarity: number | null;
}

/** CPU-seconds of the stage of harvest, with those of its processes. */
async function harvestCpu({ out, wat, hosts, model, minSimilarity }: Harvest): Promise<number> {
  let before = 0;
  let used = 0;
  await runLocally({
    recipe: 'everything',
    overrides: {
      fetch: { concurrency: 256, perDomainConcurrency: 16, respectRobots: false },
      score: { minSimilarity },
    },
    wats: [wat],
    allowHosts: hosts,
    model,
    out,
    until: 'harvest',
    onProgress({ stage, finished }) {
      if (stage !== 'harvest') before = cpuSeconds();
      else if (finished) used = cpuSeconds() - before;
    },
  });
  return used;
}

/** The similarity that so large a share of a harvest's rows is below. */
async function quantile(run: string, share: number): Promise<number> {
  const similarities: number[] = [];
  for (const path of globSync(join(run, 'harvest/*/rows.parquet'))) {
    const source = await openFile(path);
    for await (const { similarity } of readParquetRows(source, [{ name: 'similarity', type: 'double' }]))
      similarities.push(similarity);
    await source.close();
  }
  similarities.sort((a, b) => a - b);
  return similarities[Math.floor(share * similarities.length)] ?? 0;
}

/** CPU-seconds that the model takes for so many pairs, 32 at a time, in a process that does nothing else. */
async function modelCpu(name: string, n: number): Promise<number> {
  const clip = await loadClip(resolveModel(name), { threads: 1 });
  const grey = clip.crop({ data: new Uint8Array(300 * 300 * 3).fill(127), width: 300, height: 300 });
  const began = cpuSeconds();
  for (let i = 0; i < n; i += 32) {
    await clip.embedImages(Array(32).fill(grey));
    await clip.embedTexts(Array.from({ length: 32 }, (_, k) => `A photo of something, number ${i + k}`));
  }
  const used = cpuSeconds() - began;
  await clip.close();
  return used;
}
