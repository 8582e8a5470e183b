import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClipModel, loadClip } from '../src/clip/index.ts';
import { decodeImage } from '../src/image/index.ts';
import type { RgbImage } from '../src/schema/index.ts';

const SHARED = join(import.meta.dirname, '..', '..', 'shared', 'data');
const PAIRS = join(SHARED, 'zeroshot-imagenet1000/labels.jsonl');
/** LAION-400M's. */
const THRESHOLD = 0.3;
const BATCH = 32;

interface Pair {
  readonly image: string;
  readonly text: string;
}
interface Embedded {
  readonly images: Float32Array;
  readonly texts: Float32Array;
  readonly dimension: number;
}

/**
 * What int8 costs in accuracy: photos and captions embedded by the fp32 and the int8 networks of one folder (bench/quantize.py
 * makes these). How far the embeddings and the similarities of pairs are apart, how often a pair is kept by one and dropped
 * by the other, and whether the model knows the photos at all.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { model: { type: 'string' }, pairs: { type: 'string', default: PAIRS } },
  });
  if (values.model === undefined || !existsSync(values.pairs)) {
    process.stdout.write(
      'skipped: needs --model DIR with fp32 and int8 networks, and --pairs FILE of {image, text or label} a line\n',
    );
    return;
  }
  const pairs = readPairs(values.pairs);
  const exact = await embed(values.model, 'fp32', values.pairs, pairs);
  const rounded = await embed(values.model, 'int8', values.pairs, pairs);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  print(`${pairs.length} pairs of ${values.pairs}`);
  for (const half of ['images', 'texts'] as const) {
    const cosines = pairs.map((_, i) => dot(exact, half, i, rounded, half, i)).sort((a, b) => a - b);
    print(`${half}: cosine to fp32 least ${at(cosines, 0)}, median ${at(cosines, 0.5)}`);
  }
  const before = pairs.map((_, i) => dot(exact, 'images', i, exact, 'texts', i));
  const after = pairs.map((_, i) => dot(rounded, 'images', i, rounded, 'texts', i));
  const moved = before.map((s, i) => Math.abs(s - (after[i] ?? Number.NaN))).sort((a, b) => a - b);
  print(`similarity moves by ${at(moved, 0.5)} (median), ${at(moved, 0.99)} (99 %), ${at(moved, 1)} (most)`);
  const sorted = before.toSorted((a, b) => a - b);
  for (const [what, threshold] of [
    ['fixed', THRESHOLD],
    ['half pass', sorted[Math.floor(sorted.length / 2)] ?? 0],
    ['a tenth passes', sorted[Math.floor(sorted.length * 0.9)] ?? 0],
  ] as const) {
    const kept = before.filter((s) => s >= threshold).length;
    const keptInt8 = after.filter((s) => s >= threshold).length;
    const agree = before.filter((s, i) => s >= threshold === (after[i] ?? 0) >= threshold).length;
    print(
      `threshold ${threshold.toFixed(4)} (${what}): ${kept} kept at fp32, ${keptInt8} at int8, ${share(agree, pairs.length)} decided alike`,
    );
  }
  for (const [name, model] of [
    ['fp32', exact],
    ['int8', rounded],
  ] as const) {
    const ranks = pairs.map((_, i) => rankOfOwn(model, pairs, i));
    const recall = (k: number) => share(ranks.filter((rank) => rank < k).length, pairs.length);
    print(`${name}: image to text R@1 ${recall(1)}, R@5 ${recall(5)}, R@10 ${recall(10)}`);
  }
}

function readPairs(file: string): readonly Pair[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { image, text, label } = JSON.parse(line) as { image: string; text?: string; label?: string };
    return { image, text: text ?? `a photo of a ${label}` };
  });
}

async function embed(
  dir: string,
  variant: 'fp32' | 'int8',
  file: string,
  pairs: readonly Pair[],
): Promise<Embedded> {
  const model: ClipModel = await loadClip(dir, { variant });
  const { dimension } = model;
  const images = new Float32Array(pairs.length * dimension);
  for (let from = 0; from < pairs.length; from += BATCH) {
    const batch = await Promise.all(pairs.slice(from, from + BATCH).map(({ image }) => decode(file, image)));
    images.set(await model.embedImages(batch), from * dimension);
  }
  const texts = await model.embedTexts(pairs.map(({ text }) => text));
  await model.close();
  return { images, texts, dimension };
}

async function decode(file: string, image: string): Promise<RgbImage> {
  const bytes = readFileSync(join(dirname(file), image));
  const decoded = await decodeImage(bytes, { minBytes: 0, maxPixels: 1e8, formats: ['jpeg', 'png'] });
  if (!decoded.kept) throw new Error(`${image}: ${decoded.detail}`);
  return decoded.value;
}

type Half = 'images' | 'texts';

function dot(a: Embedded, half: Half, i: number, b: Embedded, other: Half, j: number): number {
  const { dimension } = a;
  let sum = 0;
  for (let k = 0; k < dimension; k++)
    sum += (a[half][i * dimension + k] ?? 0) * (b[other][j * dimension + k] ?? 0);
  return sum;
}

/** How many captions are nearer to a picture than its own; captions that are equal to its own do not count. */
function rankOfOwn(model: Embedded, pairs: readonly Pair[], i: number): number {
  const own = dot(model, 'images', i, model, 'texts', i);
  return pairs.filter(
    ({ text }, j) => text !== pairs[i]?.text && dot(model, 'images', i, model, 'texts', j) > own,
  ).length;
}

function at(sorted: readonly number[], quantile: number): string {
  return (sorted[Math.round(quantile * (sorted.length - 1))] ?? Number.NaN).toFixed(5);
}

function share(part: number, all: number): string {
  return `${((100 * part) / all).toFixed(1)} %`;
}
