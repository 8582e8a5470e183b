import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { createParquetWriter } from '../../src/formats/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { tarOf } from '../embed/datasets.ts';

const COLOURS = { red: '#d72d32', green: '#50a546', blue: '#3c82e1', white: '#f5f5f5' };
const SHAPES = {
  ball: '<circle cx="8" cy="8" r="4" fill="#111"/>',
  box: '<rect x="5" y="5" width="6" height="6" fill="#f0e030"/>',
};
const SIDE = 16;

/** Two shapes on four colours, again and again: 16 × 16 pixels. */
export async function shapeOf(n: number): Promise<{ caption: string; png: Buffer }> {
  const colours = Object.entries(COLOURS);
  const [colour, fill] = colours[n % colours.length]!;
  const shapes = Object.entries(SHAPES);
  const [shape, drawing] = shapes[Math.floor(n / colours.length) % shapes.length]!;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}"><rect width="16" height="16" fill="${fill}"/>${drawing}</svg>`;
  return {
    caption: `a drawing of a ${shape} on a ${colour} background`,
    png: await sharp(Buffer.from(svg)).png().toBuffer(),
  };
}

/** What a run has that training reads: a tar of shapes, and which of them are of which split. */
export async function writeShapes(dir: string, splits: readonly string[]): Promise<void> {
  const members: [string, Uint8Array][] = [];
  for (const n of splits.keys()) {
    const { caption, png } = await shapeOf(n);
    const key = String(n).padStart(12, '0');
    members.push([`${key}.png`, png], [`${key}.txt`, Buffer.from(caption)]);
  }
  await mkdir(join(dir, 'release', 'images'), { recursive: true });
  await writeFile(join(dir, 'release', 'images', '00000.tar'), tarOf(members));
  const file = await fileStorage(dir).create('split/split.parquet');
  const table = createParquetWriter(file, [
    { name: 'SAMPLE_ID', type: 'int64' },
    { name: 'uid', type: 'string' },
    { name: 'split', type: 'string' },
  ] as const);
  const rowOf = (split: string, n: number) => ({
    SAMPLE_ID: BigInt(n),
    uid: String(n).padStart(32, '0'),
    split,
  });
  await table.writeRowGroup(splits.map(rowOf));
  await table.finish();
  await file.commit();
}

/** A recipe that is done in seconds. */
export const TINY = {
  from: 16,
  vq: { side: 16, width: 8, codes: 16, dims: 8 },
  vqTraining: { batch: 8, steps: 50, rate: 1e-2 },
  text: { merges: 50, tokens: 12 },
  transformer: { layers: 1, width: 32, heads: 2 },
  transformerTraining: { batch: 8, steps: 60, rate: 1e-2, captionDropout: 0.1 },
  writing: { guidance: 2, temperature: 1, topK: 8 },
  sheet: { captions: 2, candidates: 4, shown: 2 },
  following: { captions: 1, pictures: 2 },
  heldOut: 16,
};
