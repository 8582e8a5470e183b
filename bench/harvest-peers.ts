import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipMember } from '../src/formats/index.ts';
import { watRecord } from '../test/support/crawl.ts';
import { startPhotoOrigin } from './photo-origin.ts';
import { measureTree, type TreeMeasure } from './process-tree.ts';
import { makeRandomClip } from './random-clip.ts';

const ROOT = join(import.meta.dirname, '..');

/**
 * `gleaner run` from a WAT file to a release, everything kept, beside the two programs that it takes the place of, img2dataset
 * and then clip-retrieval inference, on the same photos of the same origin with a random ViT-B/32 of full size. Whole
 * processes: CPU-seconds, pairs a second, peak memory. `--download-peers` and `--clip-peers` name the folders that the setup.sh
 * of ../shared/peers/download and ../shared/peers/clip made.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'download-peers': { type: 'string', default: '' },
      'clip-peers': { type: 'string', default: '' },
      data: { type: 'string', default: join(ROOT, '../shared/data') },
      n: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '1' },
    },
  });
  const built = join(ROOT, 'dist/cli/gleaner.js');
  const img2dataset = resolve(values['download-peers'], 'venv/bin/img2dataset');
  const python = resolve(values['clip-peers'], 'venv/bin/python');
  const ready =
    values['download-peers'] !== '' &&
    values['clip-peers'] !== '' &&
    [built, img2dataset, python].every(existsSync);
  const origin = ready ? await startPhotoOrigin(values.data) : undefined;
  if (!origin) {
    process.stdout.write(
      'skipped: it takes npm run build, photos (--data), and the peers: --download-peers DIR --clip-peers DIR\n',
    );
    return;
  }
  const models = await makeRandomClip(python, resolve(values['clip-peers'], 'gleaner-bench'));
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const n = Number(values.n);
    const pairs = origin.urls(n).map((url, i) => ({ url, alt: `A photo of something, number ${i}` }));
    const at = (name: string) => join(folder, name);
    await writeFile(at('photos.warc.wat.gz'), gzipMember(watRecord('http://page.example/', pairs)));
    const lines = pairs.map(({ url, alt }) => `${JSON.stringify({ url, caption: alt })}\n`);
    await writeFile(at('photos.jsonl'), lines.join(''));
    const everything = await readFile(join(ROOT, 'src/config/recipes/everything.yaml'), 'utf8');
    const fetch = 'fetch: { concurrency: 256, perDomainConcurrency: 16, respectRobots: false }\n';
    await writeFile(at('bench.yaml'), `${everything}${fetch}`);
    const ours = (model: string) => [
      ...[process.execPath, built, 'run', '--wat', at('photos.warc.wat.gz'), '--out', at('out')],
      ...['--recipe', at('bench.yaml'), '--model', model, '--allow-host', ...origin.hosts],
      ...['--contact', 'bench@example.com'],
    ];
    const download = [
      ...[
        img2dataset,
        `--url_list=${at('photos.jsonl')}`,
        `--output_folder=${at('images')}`,
        '--image_size=256',
      ],
      ...['--input_format=jsonl', '--url_col=url', '--caption_col=caption', '--output_format=webdataset'],
      ...['--resize_mode=border', '--encode_quality=95', '--processes_count=2', '--thread_count=64'],
      `--number_sample_per_shard=${n}`,
    ];
    const embed = [
      ...[python, join(ROOT, '../shared/peers/clip/bench-retrieval.py')],
      ...[at('images/00000.tar'), at('embeddings')],
    ];
    process.stdout.write(
      `${n} pairs; Node ${process.versions.node}\n\n| | CPU-s / 1,000 | pairs a second | peak MB |\n| --- | --- | --- | --- |\n`,
    );
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [kind, model] of Object.entries(models)) {
        row(`gleaner run, ${kind}`, n, await measureTree(ours(model)));
        await rm(at('out'), { recursive: true });
      }
      const first = await measureTree(download, { NO_ALBUMENTATIONS_UPDATE: '1', WANDB_MODE: 'disabled' });
      const second = await measureTree(embed);
      row('img2dataset', n, first);
      row('clip-retrieval inference', n, second);
      row('both', n, {
        cpu: first.cpu + second.cpu,
        wall: first.wall + second.wall,
        peakMB: Math.max(first.peakMB, second.peakMB),
        peakRssMB: 0,
      });
      for (const name of ['images', 'embeddings']) await rm(at(name), { recursive: true });
    }
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function row(name: string, n: number, { cpu, wall, peakMB }: TreeMeasure): void {
  const cells = [((1000 * cpu) / n).toFixed(1), (n / wall).toFixed(1), peakMB.toFixed(0)];
  process.stdout.write(`| ${name} | ${cells.join(' | ')} |\n`);
}
