import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLocally } from '../../src/executors/index.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner, ROOT } from '../support/gleaner.ts';
import { type ReadPair, readRelease } from '../support/read-release.ts';
import { EXAMPLES, missingOf, python } from './python.ts';

const withoutTorch = missingOf('torch', 'webdataset', 'open_clip', 'open_clip_train');
if (withoutTorch) console.warn(`hand-over to PyTorch skipped: no ${withoutTorch}`);
const withoutDalle = withoutTorch || missingOf('dalle_pytorch');
if (withoutDalle && !withoutTorch) console.warn(`training of a DALL-E skipped: no ${withoutDalle}`);

/** What read_shards.py writes. */
interface Read {
  readonly samples: readonly {
    readonly key: string;
    readonly caption: string;
    readonly fields: unknown;
    readonly width: number;
    readonly height: number;
    readonly colour: readonly number[];
  }[];
  readonly shapes: readonly (readonly number[])[];
  readonly captions: readonly string[];
  readonly trained: readonly (string | null)[];
  readonly images: readonly (readonly number[])[];
  readonly texts: readonly (readonly number[])[];
}

const script = (name: string) => join(EXAMPLES, name);
const TINY = script('tiny.json');

/** Numbers behind a word, in the order in which they were said. */
const numbersBehind = (pattern: RegExp, text: string) =>
  [...text.matchAll(pattern)].map(([, number]) => Number(number));

describe.skipIf(withoutTorch)('hand-over to PyTorch', { concurrent: true }, () => {
  let root: string;
  let release: string;
  let pairs: readonly ReadPair[];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gleaner-pytorch-'));
    release = join(root, 'out');
    const crawl = await makeSmallCrawl(join(root, 'crawl'), { wats: 1, pagesPerWat: 10 });
    await runLocally({
      recipe: 'everything',
      overrides: { release: { parts: 3 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      workers: 1,
      out: release,
    });
    pairs = await readRelease(release);
    expect(pairs.length).toBeGreaterThan(30);
  }, 600_000);
  afterAll(() => rm(root, { recursive: true }));

  it('trains a CLIP with open_clip, and scores with what it trained', async () => {
    // One batch of all pairs: each epoch sees the same one.
    const options = ['--batch-size', String(pairs.length), '--epochs', '12', '--lr', '5e-4', '--warmup', '3'];
    const files = ['--workers', '0', '--save-frequency', '0', '--name', 'tiny'];
    const cpu = ['--device', 'cpu', '--precision', 'fp32'];
    const said = await python(
      script('train_clip.py'),
      ['--train', release, '--model', TINY, ...options, ...files, ...cpu],
      root,
    );
    const losses = numbersBehind(/Train Epoch.* Loss: (\S+)/g, said);
    expect(losses).toHaveLength(12);
    // Before anything is learnt every caption is about as likely as any other.
    expect(losses[0]).toBeGreaterThan(Math.log(pairs.length) - 0.5);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 1);

    const checkpoint = join(root, 'logs', 'tiny', 'checkpoints', 'epoch_12.pt');
    const model = join(root, 'model');
    await python(
      script('export_onnx.py'),
      ['--model', TINY, '--checkpoint', checkpoint, '--out', model],
      root,
    );
    const json = join(root, 'read.json');
    await python(join(ROOT, 'test', 'pytorch', 'read_shards.py'), [release, TINY, checkpoint, json], root);
    const read: Read = JSON.parse(await readFile(json, 'utf8'));
    await readsWhatWasWritten(read);
    await embedsAs(read, model);
  }, 600_000);

  async function readsWhatWasWritten(read: Read) {
    const texts = pairs.map(({ row }) => String(row.TEXT));
    expect(read.samples.map(({ key, caption, fields }) => ({ key, caption, fields }))).toEqual(
      pairs.map(({ sample, row }) => ({ key: sample.key, caption: row.TEXT, fields: sample.json })),
    );
    for (const [i, { width, height, colour }] of read.samples.entries()) {
      const sample: ReadPair['sample'] = pairs[i]?.sample ?? {};
      expect(sample.json).toMatchObject({ width, height });
      const { channels } = await sharp(Buffer.from(String(sample.jpg), 'hex')).stats();
      for (const [channel, { mean }] of channels.entries()) expect(colour[channel]).toBeCloseTo(mean, 0);
    }
    // open_clip's own code, for measuring in the release's order.
    expect(read.shapes.reduce((sum, [rows = 0]) => sum + rows, 0)).toBe(pairs.length);
    for (const [, ...shape] of read.shapes) expect(shape).toEqual([3, 64, 64]);
    const words = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
    expect(read.captions.map(words)).toEqual(texts.map(words));
    // For training, shuffled: as many whole batches as a pass has, then of the next pass up to the number of samples.
    const trained = read.trained.map((caption) => words(caption ?? 'none of them'));
    expect(trained).toHaveLength(Math.ceil(pairs.length / 8) * 8);
    expect(new Set(texts.map(words))).toEqual(new Set([...texts.map(words), ...trained]));
    const whole = Math.floor(pairs.length / 8) * 8;
    expect(new Set(trained.slice(0, whole)).size).toBe(whole);
    expect(trained.slice(0, whole)).not.toEqual(texts.map(words).slice(0, whole));
  }

  /** gleaner's cosines with the exported model, of each picture with each caption, are torch's. */
  async function embedsAs(read: Read, model: string) {
    const out = join(root, 'embeddings');
    const { code, stderr } = await gleaner([
      'embed',
      join(release, 'release', 'images'),
      ...['--model', model, '--out', out],
    ]);
    expect(code, stderr).toBe(0);
    const images = await matrix(join(out, 'img_emb', 'img_emb_0.npy'));
    const texts = await matrix(join(out, 'text_emb', 'text_emb_0.npy'));
    const own = cosines(images, texts);
    const theirs = cosines(read.images, read.texts);
    expect(own).toHaveLength(pairs.length ** 2);
    // Trained on these pairs it tells them apart; were all cosines alike, any model would agree.
    expect(Math.max(...theirs) - Math.min(...theirs)).toBeGreaterThan(0.1);
    const worst = Math.max(...own.map((cosine, i) => Math.abs(cosine - (theirs[i] ?? Number.NaN))));
    expect(worst).toBeLessThan(1e-3);
  }

  it('says in one line what is wrong with a release', async () => {
    const shards = (folder: string) =>
      python('-c', ['import shards, sys; print(shards.shards_of(sys.argv[1]))', folder], root);
    await expect(shards(release)).resolves.toContain(`, ${pairs.length})`);
    await expect(shards(root)).rejects.toThrow(/^[^\n]*\n[^\n]*no stats\.json[^\n]*\n$/);
    await writeFile(join(root, 'stats.json'), '{"rows":0}');
    await expect(shards(root)).rejects.toThrow(/^[^\n]*\n[^\n]*no samples[^\n]*\n$/);
  });

  it.skipIf(withoutDalle)(
    'trains a DALL-E',
    async () => {
      const out = join(root, 'dalle');
      const words = join(ROOT, 'models', 'gleaner-mini', 'tokenizer.json');
      const small = ['--image-size', '16', '--layers', '1', '--codes', '16', '--hidden', '16'].concat(
        ['--dim', '32', '--depth', '1', '--heads', '1', '--text-length', '16', '--batch-size', '8'],
        ['--log-every', '1', '--device', 'cpu', '--bpe', words, '--vae-epochs', '2'],
      );
      const train = (epochs: string) =>
        python(
          script('train_dalle.py'),
          ['--train', release, '--out', out, '--epochs', epochs, ...small],
          root,
        );
      const first = await train('2');
      for (const stage of ['vae', 'dalle']) {
        const losses = numbersBehind(new RegExp(`^${stage} .*loss (\\S+)`, 'gm'), first);
        expect(losses.length, first).toBeGreaterThan(8);
        expect(losses.at(-1), stage).toBeLessThan(losses[0] ?? 0);
      }
      // Begun again, it goes on behind what is done.
      const second = await train('3');
      expect(second.match(/^(?:vae|dalle) epoch \d+ done/gm)).toEqual(['dalle epoch 2 done']);
    },
    600_000,
  );
});

const cosines = (images: readonly (readonly number[])[], texts: readonly (readonly number[])[]) =>
  images.flatMap((image) => texts.map((text) => image.reduce((sum, v, i) => sum + v * (text[i] ?? 0), 0)));

/** float16 rows of an npy file (numpy/lib/format.py, version 1.0). */
async function matrix(path: string): Promise<number[][]> {
  const bytes = await readFile(path);
  const start = 10 + bytes.readUInt16LE(8);
  const [, rows = 0, columns = 0] = (
    /'<f2'.*\((\d+), (\d+)\)/.exec(bytes.toString('latin1', 10, start)) ?? []
  ).map(Number);
  const data = new DataView(bytes.buffer, bytes.byteOffset + start);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, i) => data.getFloat16((row * columns + i) * 2, true)),
  );
}
