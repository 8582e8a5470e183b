import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Batch, type LoaderOptions, openLoader } from '../../src/loader/index.ts';
import { tarOf } from '../embed/datasets.ts';

/** The colour of picture n: all differ, and none is another's neighbour by chance. */
export const colourOf = (n: number): readonly [number, number, number] => [
  n % 256,
  (n * 7) % 256,
  (n * 31) % 256,
];

const pictures = new Map<number, Buffer>();

/** A PNG of one colour, 6 × 4. */
export async function pictureOf(n: number): Promise<Buffer> {
  const [r, g, b] = colourOf(n);
  const made =
    pictures.get(n) ??
    (await sharp({ create: { width: 6, height: 4, channels: 3, background: { r, g, b } } })
      .png()
      .toBuffer());
  pictures.set(n, made);
  return made;
}

export const keyOf = (n: number) => String(n).padStart(12, '0');
export const captionOf = (n: number) => `picture ${n}, ein Bild – 絵`;

/** Members of sample n as a release has them. */
export async function sampleOf(n: number): Promise<[string, Uint8Array][]> {
  return [
    [`${keyOf(n)}.png`, await pictureOf(n)],
    [`${keyOf(n)}.json`, Buffer.from(JSON.stringify({ key: keyOf(n), caption: 'not this one', uid: 'ab' }))],
    [`${keyOf(n)}.txt`, Buffer.from(captionOf(n))],
  ];
}

/** Tars 00000.tar, 00001.tar... with so many samples each, numbered on. @returns their bytes */
export async function writeTars(folder: string, sizes: readonly number[]): Promise<Buffer[]> {
  const tars: Buffer[] = [];
  let n = 0;
  for (const [i, size] of sizes.entries()) {
    const members: [string, Uint8Array][] = [];
    for (let k = 0; k < size; k++) members.push(...(await sampleOf(n++)));
    const bytes = tarOf(members);
    await writeFile(join(folder, `${String(i).padStart(5, '0')}.tar`), bytes);
    tars.push(bytes);
  }
  return tars;
}

/** Small squares, this thread, one epoch. */
export const SMALL = { batchSize: 4, imageSize: 2, workers: 0, epochs: 1 } as const;

/** All batches of a loader. */
export async function batchesOf(options: LoaderOptions): Promise<Batch[]> {
  await using loader = await openLoader(options);
  return await Array.fromAsync(loader);
}

/** Numbers of the samples in batches, in their order. */
export const numbersOf = (batches: readonly Batch[]) => batches.flatMap(({ keys }) => keys.map(Number));
