/** What an audit of volunteers' shards can hold against a stored picture: how far it is from the one as fetched, and from others. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadClip, resolveModel } from '../src/clip/index.ts';
import { countBits } from '../src/image/hamming.ts';
import { decodeImage, encodeJpeg, perceptualHash, resizeForStore } from '../src/image/index.ts';
import type { DecodedImage } from '../src/schema/index.ts';
import { head, row } from './table.ts';

const OPTIONS = {
  /** Folder of pictures. */
  photos: { type: 'string', default: '../shared/data/photos-original' },
  model: { type: 'string', default: 'gleaner-mini' },
  /** As the recipe stores them. */
  side: { type: 'string', default: '256' },
  quality: { type: 'string', default: '95' },
} as const;

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const model = await loadClip(resolveModel(values.model), { threads: 1 });
  const embed = async (image: DecodedImage) => {
    const crop = model.crop(image);
    return Float32Array.from(await model.embedImages([{ ...crop, data: crop.data.slice() }]));
  };
  const pictures: Float32Array[] = [];
  const cosines: number[] = [];
  const bits: number[] = [];
  for (const name of readdirSync(values.photos).sort()) {
    const decoded = await decode(readFileSync(join(values.photos, name)));
    if (!decoded) continue;
    const [original, hash] = [await embed(decoded), perceptualHash(decoded)];
    const stored = resizeForStore(decoded, { shortestSide: Number(values.side) });
    const again = await decode(await encodeJpeg(stored, Number(values.quality)));
    if (!again) throw new Error(`${name}: what was stored cannot be decoded`);
    cosines.push(dot(original, await embed(again)));
    bits.push(distance(hash, perceptualHash(again)));
    pictures.push(original);
  }
  await model.close();
  const others = pictures.flatMap((one, i) => pictures.slice(i + 1).map((other) => dot(one, other)));
  head('', 'least', '1 %', 'median', '99 %', 'most');
  const line = (what: string, numbers: readonly number[], digits: number) => {
    const sorted = numbers.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.round(share * (sorted.length - 1))] ?? 0).toFixed(digits);
    row(what, at(0), at(0.01), at(0.5), at(0.99), at(1));
  };
  line(`cosine, stored and as fetched (${cosines.length})`, cosines, 4);
  line(`bits of dHash, the same`, bits, 0);
  line(`cosine, two different (${others.length})`, others, 4);
}

async function decode(bytes: Uint8Array): Promise<DecodedImage | undefined> {
  const limits = { minBytes: 1, maxPixels: 1e9, formats: ['jpeg', 'png', 'webp'] } as const;
  const decoded = await decodeImage(bytes, limits);
  return decoded.kept ? { ...decoded.value, data: decoded.value.data.slice() } : undefined;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function distance(one: string, other: string): number {
  const words = (hash: string) => [0, 8].map((at) => Number.parseInt(hash.slice(at, at + 8), 16));
  const [a, b] = [words(one), words(other)];
  return a.reduce((sum, word, i) => sum + countBits(word ^ (b[i] ?? 0)), 0);
}
