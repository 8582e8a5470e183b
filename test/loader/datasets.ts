import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Batch, type LoaderOptions, openLoader } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { type Names, tarOf } from '../embed/datasets.ts';

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

/** Samples of each tar of a dataset that is read in many ways. */
export const SIZES = [5, 1, 7, 0, 6, 4];
export const SAMPLES = 23;

/** Batches as they can be compared, with their states. */
export const plain = (batches: readonly Batch[]) =>
  batches.map((batch) => ({ ...batch, images: [...batch.images] }));
export const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
export const ALL = Array.from({ length: SAMPLES }, (_, n) => n);

/** What a shard is that has no batch: nothing. */
export function empty(error: unknown): Batch[] {
  if (error instanceof GleanerError && error.code === 'DATASET_EMPTY') return [];
  throw error;
}

/** Two samples that are good, one of them with its caption in JSON, and three that are not. */
export async function oddTar(names: Names): Promise<Buffer> {
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  return tarOf(
    [
      ['good.png', await pictureOf(1)],
      ['good.txt', Buffer.from('a good one')],
      ['broken.jpg', Buffer.from('no JPEG at all')],
      ['broken.txt', Buffer.from('its picture is broken')],
      ['silent.png', await pictureOf(2)],
      ['silent.json', json({ caption: 7 })],
      ['blind.txt', Buffer.from('no picture')],
      ['caption.png', await pictureOf(3)],
      ['caption.json', json({ caption: 'from the JSON' })],
    ],
    names,
  );
}

/** A server of the files of a folder, with ranges. */
export async function serve(folder: string) {
  const server = createServer((request, response) => {
    void readFile(join(folder, request.url ?? '')).then((bytes) => {
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const start = Number(from ?? 0);
      const end = to ? Number(to) + 1 : bytes.length;
      const part = bytes.subarray(start, end);
      response.writeHead(from === undefined ? 200 : 206, {
        'content-length': part.length,
        ...(from !== undefined && {
          'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}`,
        }),
      });
      response.end(request.method === 'HEAD' ? undefined : part);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
