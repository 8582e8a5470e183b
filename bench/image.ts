import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import sharp from 'sharp';
import { cropForModel, type Preprocessing } from '../src/clip/preprocess.ts';
import { loadRecipe } from '../src/config/index.ts';
import { giveBack } from '../src/image/buffers.ts';
import { decodeImage, encodeJpeg, resizeImage } from '../src/image/index.ts';
import type { DecodedImage, Outcome } from '../src/schema/index.ts';
import { makeImage } from '../src/stages/download/make-image.ts';
import type { DownloadOptions } from '../src/stages/download/options.ts';

const SHARED = join(import.meta.dirname, '..', '..', 'shared');
const SETS = { '84 kB': 'data/photos-original', '22 kB': 'data/zeroshot-imagenet1000/images' };

const LIMITS = { minBytes: 0, maxPixels: 89_478_485, formats: ['jpeg', 'png', 'webp'] } as const;
const RESIZE = { mode: 'border', size: 256, onlyIfBigger: false } as const;
const QUALITY = 95;
const OPTIONS: DownloadOptions = {
  columns: [],
  outputFormat: 'webdataset',
  imageSize: RESIZE.size,
  resizeMode: RESIZE.mode,
  resizeOnlyIfBigger: false,
  encodeFormat: 'jpg',
  encodeQuality: QUALITY,
  skipReencode: false,
  disableAllReencoding: false,
  minImageSize: 0,
  maxImageArea: null,
  maxAspectRatio: null,
  computeHash: null,
  extractExif: false,
  samplesPerShard: 1,
  shardDigits: 1,
};

/** CLIP ViT-B/32's. */
const PREPROCESSING: Preprocessing = {
  resize: { shortestEdge: 224 },
  filter: 'bicubic',
  cropWidth: 224,
  cropHeight: 224,
  oddMargin: 'smaller',
  rescale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

type Work = (body: Buffer) => unknown;

/**
 * Decoding, resizing to 256 with a border, and encoding at quality 95, one picture at a time: CPU-ms a picture for each
 * step and for all, beside sharp alone, and with `--peers DIR` (made by ../shared/peers/download/setup.sh) beside OpenCV
 * in the same minutes. The least of the rounds, since other work on the machine only ever adds; every round does all in
 * turn, so that it meets all.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '5' },
      peers: { type: 'string' },
    },
  });
  sharp.concurrency(1);
  sharp.cache(false);
  const decoded = new Map<Buffer, Outcome<DecodedImage>>();
  const { image: recipe } = loadRecipe('everything');
  const rows: Record<string, Work> = {
    decode: async (body) => free(await decodeImage(body, LIMITS, 'here')),
    'decode + resize': async (body) => {
      const image = await decodeImage(body, LIMITS, 'here');
      free(image);
      if (image.kept) free(resizeImage(image.value, RESIZE));
    },
    'decode + resize + encode': async (body) => {
      const image = await decodeImage(body, LIMITS, 'here');
      free(image);
      const small = image.kept ? resizeImage(image.value, RESIZE) : image;
      if (small.kept) await encodeJpeg(small.value, QUALITY, 'here');
      free(small);
    },
    'makeImage of a download, which is all of it': (body) => makeImage(body, OPTIONS, recipe),
    'crop for CLIP, of decoded pixels': (body) => {
      const image = decoded.get(body);
      return image?.kept && cropForModel(image.value, PREPROCESSING);
    },
    'sharp alone': (body) =>
      sharp(body).resize(256, 256, { fit: 'contain', background: '#fff' }).jpeg({ quality: 95 }).toBuffer(),
  };
  const times = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [set, folder] of Object.entries(SETS)) {
      const bodies = load(join(SHARED, folder), Number(values.images));
      if (bodies.length === 0) {
        process.stdout.write(`skipped: no photos in ${folder} of ../shared\n`);
        return;
      }
      for (const body of bodies) {
        const image = await decodeImage(body, LIMITS);
        decoded.set(body, image);
      }
      for (const [row, work] of Object.entries(rows)) note(row, set, await cpuMs(bodies, work));
      decoded.clear();
    }
    if (values.peers)
      for (const [set, ms] of await openCv(values.peers, values.images)) note('OpenCV', set, ms);
  }

  process.stdout.write(`| CPU-ms a picture | ${Object.keys(SETS).join(' | ')} | half and half |\n`);
  for (const row of new Set([...times.keys()].map((key) => key.split('\n')[0] ?? ''))) {
    const least = Object.keys(SETS).map((set) => Math.min(...(times.get(`${row}\n${set}`) ?? [])));
    const mean = least.reduce((sum, ms) => sum + ms, 0) / least.length;
    process.stdout.write(`| ${[row, ...[...least, mean].map((ms) => ms.toFixed(2))].join(' | ')} |\n`);
  }

  function note(row: string, set: string, ms: number): void {
    const key = `${row}\n${set}`;
    times.set(key, [...(times.get(key) ?? []), ms]);
  }
}

function load(folder: string, count: number): Buffer[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /\.jpe?g$/i.test(name));
  const bodies = names
    .sort()
    .slice(0, count)
    .map((name) => readFileSync(join(folder, name)));
  return Array.from({ length: count }, (_, i) => bodies[i % bodies.length] ?? Buffer.of());
}

async function cpuMs(bodies: readonly Buffer[], work: Work): Promise<number> {
  const before = ownMs();
  for (const body of bodies) await work(body);
  return (ownMs() - before) / bodies.length;
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A buffer of the picture's pixels is for the next one. */
function free(image: Outcome<{ readonly data: Uint8Array }>): void {
  if (image.kept) giveBack(image.value.data);
}

async function openCv(peers: string, images: string): Promise<[string, number][]> {
  const script = join(SHARED, 'peers/download/tools/floor_codec.py');
  const { stdout } = await promisify(execFile)(
    join(peers, 'venv/bin/python'),
    [script, '--data', join(SHARED, 'data'), '--reps', '1', '--images', images],
    { env: { ...process.env, NO_ALBUMENTATIONS_UPDATE: '1' } },
  );
  const line = stdout.split('\n').find((text) => text.includes('"opencv"') && text.includes('"border"'));
  const { original, small } = JSON.parse(line ?? '{}');
  return [
    ['84 kB', Number(original)],
    ['22 kB', Number(small)],
  ];
}
