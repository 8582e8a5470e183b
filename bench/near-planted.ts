import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { loadClip, resolveModel } from '../src/clip/index.ts';
import type { NearRules } from '../src/config/index.ts';
import { countBits } from '../src/image/hamming.ts';
import { decodeImage, perceptualHash } from '../src/image/index.ts';
import { saysEnough } from '../src/stages/near/pictures.ts';
import { fileStorage } from '../src/storage/index.ts';
import { dropped, type NearRow, nearRow, writeShards } from '../test/support/near-rows.ts';

const SHARED = join(import.meta.dirname, '..', '..', 'shared', 'data');
const LIMITS = { minBytes: 0, maxPixels: 89_478_485, formats: ['jpeg', 'png'] } as const;
const NOTHING: NearRules = { sameBytes: false, samePicture: null, sameMeaning: null };
const DISTANCES = [0, 1, 2, 3, 4, 5, 6, 8];
const MIN_BITS = 8;
const COSINES = [0.9, 0.95, 0.97, 0.98, 0.99, 0.995];
/** Of what a picture loses when it is cropped, as a share of each side; and of its height that a caption covers. */
const CROP = 0.05;
const CAPTION = 0.1;

/** What is made of each picture. A flipped one is another picture: to find it is wrong, unless by its meaning. */
const VARIANTS: Readonly<Record<string, (picture: Buffer, size: Size) => Promise<Buffer> | Buffer>> = {
  'same file': (picture) => picture,
  'JPEG 90': (picture) => sharp(picture).jpeg({ quality: 90 }).toBuffer(),
  'JPEG 70': (picture) => sharp(picture).jpeg({ quality: 70 }).toBuffer(),
  'JPEG 50': (picture) => sharp(picture).jpeg({ quality: 50 }).toBuffer(),
  PNG: (picture) => sharp(picture).png().toBuffer(),
  'half as large': (picture, { width }) =>
    sharp(picture)
      .resize(Math.round(width / 2))
      .jpeg({ quality: 85 })
      .toBuffer(),
  'cropped 5 %': (picture, size) => sharp(picture).extract(middle(size)).jpeg({ quality: 90 }).toBuffer(),
  '15 % brighter': (picture) =>
    sharp(picture).modulate({ brightness: 1.15 }).jpeg({ quality: 90 }).toBuffer(),
  grey: (picture) => sharp(picture).grayscale().jpeg({ quality: 90 }).toBuffer(),
  'caption over 10 %': (picture, size) =>
    sharp(picture)
      .composite([{ input: band(size), gravity: 'south' }])
      .jpeg({ quality: 90 })
      .toBuffer(),
  flipped: (picture) => sharp(picture).flop().jpeg({ quality: 90 }).toBuffer(),
};
const KINDS = Object.keys(VARIANTS);

interface Size {
  readonly width: number;
  readonly height: number;
}

function middle({ width, height }: Size) {
  const [left, top] = [Math.round((width * CROP) / 2), Math.round((height * CROP) / 2)];
  return { left, top, width: width - 2 * left, height: height - 2 * top };
}

function band({ width, height }: Size): Buffer {
  const high = Math.max(1, Math.round(height * CAPTION));
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${high}"><rect width="100%" height="100%" fill="black"/><text x="4" y="${high * 0.7}" font-size="${high * 0.6}" fill="white">seen on the web</text></svg>`,
  );
}

interface Planted extends NearRow {
  readonly picture: string;
  /** 'original', or one of `KINDS`. */
  readonly kind: string;
}

/**
 * Real pictures, with copies planted among them: which are found at which threshold, and how often two different pictures
 * are taken for the same. `--folders A,B --pictures 300` of each, evenly picked.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      folders: {
        type: 'string',
        default: ['zeroshot-imagenet1000/images', 'retrieval-openstax/images']
          .map((name) => join(SHARED, name))
          .join(','),
      },
      pictures: { type: 'string', default: '200' },
      'collisions-only': { type: 'boolean', default: false },
      model: { type: 'string', default: 'gleaner-mini' },
    },
  });
  for (const folder of values.folders.split(',')) {
    const names = (await readdir(folder)).filter((name) => /\.(?:jpe?g|png)$/.test(name)).sort();
    const step = Math.max(1, names.length / Number(values.pictures));
    const picked = Array.from({ length: Math.min(names.length, Number(values.pictures)) }, (_, i) =>
      join(folder, names[Math.floor(i * step)] ?? ''),
    );
    process.stdout.write(`\n${folder.split('/').slice(-2).join('/')}: ${picked.length} pictures\n`);
    if (!values['collisions-only']) await measure(await plant(picked, values.model));
    await collisions(names.map((name) => join(folder, name)));
  }
}

async function plant(paths: readonly string[], model: string): Promise<Planted[]> {
  const clip = await loadClip(resolveModel(model));
  const rows: Planted[] = [];
  for (const picture of paths) {
    const bytes = await readFile(picture);
    const { width, height } = await sharp(bytes).metadata();
    for (const kind of ['original', ...KINDS]) {
      const copy = (await VARIANTS[kind]?.(bytes, { width, height })) ?? bytes;
      const decoded = await decodeImage(copy, LIMITS);
      if (!decoded.kept) throw new Error(`${picture}, ${kind}: ${decoded.reason}`);
      const embedding = await clip.embedImages([clip.crop(decoded.value)]);
      const facts = {
        sha256: createHash('sha256').update(copy).digest('hex'),
        phash: perceptualHash(decoded.value),
        // The original is the one to be kept.
        similarity: kind === 'original' ? 0.9 : 0.5,
        embedding: embedding.slice(),
      };
      rows.push({ ...nearRow(rows.length, facts), picture, kind });
    }
  }
  await clip.close();
  return rows;
}

async function measure(rows: readonly Planted[]): Promise<void> {
  const width = Math.max(...KINDS.map((kind) => kind.length)) + 1;
  process.stdout.write(
    `${'found, %'.padEnd(20)}${KINDS.map((kind) => kind.padStart(width)).join('')}${'precision'.padStart(11)}${'wrong'.padStart(7)}\n`,
  );
  const print = async (title: string, rules: NearRules, flipsToo: boolean) => {
    const { found, right, wrong } = await search(rows, rules, flipsToo);
    const shares = KINDS.map((kind) => {
      const of = rows.filter((row) => row.kind === kind).length;
      return ((100 * (found.get(kind) ?? 0)) / of).toFixed(1).padStart(width);
    });
    const precision = ((100 * right) / Math.max(1, right + wrong)).toFixed(2);
    process.stdout.write(
      `${title.padEnd(20)}${shares.join('')}${precision.padStart(11)}${String(wrong).padStart(7)}\n`,
    );
  };
  await print('same bytes', { ...NOTHING, sameBytes: true }, false);
  for (const maxDistance of DISTANCES)
    for (const minCosine of [null, 0.9])
      await print(
        minCosine === null ? `distance ${maxDistance}` : `  and cosine ${minCosine}`,
        { ...NOTHING, samePicture: { maxDistance, minBits: MIN_BITS, minCosine } },
        false,
      );
  for (const minCosine of COSINES) {
    const sameMeaning = { minCosine, rowsPerCluster: 1_000_000, seed: 0 };
    await print(`cosine ${minCosine}`, { ...NOTHING, sameMeaning }, true);
  }
  for (const rowsPerCluster of [500, 100, 50]) {
    const sameMeaning = { minCosine: 0.95, rowsPerCluster, seed: 0 };
    await print(`0.95, ${rowsPerCluster} a cluster`, { ...NOTHING, sameMeaning }, true);
  }
}

/** Copies that are dropped for a row of their own picture, by kind; and all that are rightly and wrongly dropped. */
async function search(rows: readonly Planted[], rules: NearRules, flipsToo: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const storage = fileStorage(folder);
    const shards = Array.from({ length: Math.ceil(rows.length / 1000) }, (_, i) =>
      rows.slice(i * 1000, (i + 1) * 1000),
    );
    const { verdicts } = await dropped(
      storage,
      await writeShards(storage, shards),
      rules,
      rows[0]?.embedding.length ?? 0,
    );
    const byUid = new Map(rows.map((row) => [row.uid, row]));
    const found = new Map<string, number>();
    let [right, wrong] = [0, 0];
    for (const [uid, { detail }] of verdicts) {
      const [row, kept] = [byUid.get(uid), byUid.get(detail.slice(0, 32))];
      if (!row || !kept) throw new Error(`${uid} is no row`);
      const same = row.picture === kept.picture;
      if (same) found.set(row.kind, (found.get(row.kind) ?? 0) + 1);
      // A flipped picture that was dropped for one that is not, or the other way round.
      const flip = !flipsToo && (row.kind === 'flipped') !== (kept.kind === 'flipped');
      if (same && !flip) right++;
      else wrong++;
    }
    return { found, right, wrong };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * How often two different pictures are within a distance: what is wrongly dropped grows with the number of rows. So few
 * pictures give too few pairs: quarters of them count as pictures too, and their mirror images.
 */
async function collisions(paths: readonly string[]): Promise<void> {
  const perPicture = 10;
  const words = new Uint32Array(paths.length * perPicture * 2);
  for (const [p, path] of paths.entries()) {
    const { width, height } = await sharp(path).metadata();
    const half = { width: Math.floor(width / 2), height: Math.floor(height / 2) };
    const windows = [
      { left: 0, top: 0, width, height },
      ...[0, half.width].flatMap((left) => [0, half.height].map((top) => ({ left, top, ...half }))),
    ];
    for (const [w, window] of windows.entries())
      for (const [f, flipped] of [false, true].entries()) {
        const { data, info } = await sharp(path)
          .toColourspace('srgb')
          .removeAlpha()
          .extract(window)
          .flop(flipped)
          .raw()
          .toBuffer({ resolveWithObject: true });
        if (info.channels !== 3) throw new Error(`${path} has ${info.channels} channels`);
        const hash = perceptualHash({ data, width: info.width, height: info.height });
        words.set(
          [0, 8].map((at) => Number.parseInt(hash.slice(at, at + 8), 16)),
          2 * (p * perPicture + 2 * w + f),
        );
      }
  }
  for (const minBits of [0, MIN_BITS]) countPairs(words, perPicture, minBits);
}

function countPairs(words: Uint32Array, perPicture: number, minBits: number): void {
  const counts = new Array<number>(65).fill(0);
  const looked = Array.from({ length: words.length / 2 }, (_, i) =>
    saysEnough(words[2 * i] ?? 0, words[2 * i + 1] ?? 0, minBits),
  );
  let pairs = 0;
  for (let i = 0; i < words.length / 2; i++) {
    const others = Math.floor(i / perPicture) * perPicture;
    pairs += others;
    if (!looked[i]) continue;
    for (let j = 0; j < others; j++) {
      if (!looked[j]) continue;
      const bits =
        countBits((words[2 * i] ?? 0) ^ (words[2 * j] ?? 0)) +
        countBits((words[2 * i + 1] ?? 0) ^ (words[2 * j + 1] ?? 0));
      counts[bits] = (counts[bits] ?? 0) + 1;
    }
  }
  const within = (most: number) => counts.slice(0, most + 1).reduce((sum, count) => sum + count, 0);
  process.stdout.write(
    `of ${pairs} pairs of different pictures, quarters and mirror images too, at least ${minBits} ones and zeros (${looked.filter(Boolean).length} of ${looked.length} are so), within a distance: ${DISTANCES.map((d) => `${d}: ${within(d)}`).join(', ')}\n`,
  );
}
