/** The pictures of a release, by its splits. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { splitRun } from '../../src/executors/split.ts';
import { type Loader, loaderStateSchema, openLoader } from '../../src/loader/index.ts';
import { cut } from './pictures.ts';
import type { Recipe } from './recipe.ts';

export type SplitName = 'train' | 'validation' | 'test';

/**
 * Opens the pictures of a split, as the loader gives them.
 * @param options `epochs`: all in order, so many times, the last batch as it is; else endless and shuffled. `state`: of a
 * batch, to go on behind it
 */
export type OpenPictures = (
  name: SplitName,
  batchSize: number,
  options?: { readonly epochs?: number; readonly state?: unknown },
) => Promise<Loader>;

/** Parts the run's release, if nobody has done so. @param dir of a finished run */
export async function openRelease(
  dir: string,
  { from, seed }: Recipe,
  say: (line: string) => void,
): Promise<OpenPictures> {
  const file = join(dir, 'split', 'split.parquet');
  if (!existsSync(file)) {
    const { splits } = await splitRun({ dir, seed });
    const counts = Object.entries(splits).map(([name, { rows }]) => `${name} ${rows}`);
    say(`split by groups of duplicates: ${counts.join(', ')}`);
  }
  return (name, batchSize, { epochs, state } = {}) =>
    openLoader({
      ...{ from: dir, split: { file, name }, imageSize: from, batchSize, seed },
      ...(epochs !== undefined && { epochs, shuffle: 0, dropLast: false }),
      ...(state !== undefined && { state: loaderStateSchema.parse(state) }),
    });
}

export interface HeldOut {
  /** [count, 3, side, side], -1 to 1: the middle of each. */
  readonly pixels: Float32Array;
  readonly texts: readonly string[];
  readonly count: number;
}

/** The first pictures of a split, in its order. */
export async function heldOut(
  open: OpenPictures,
  name: SplitName,
  most: number,
  { from, vq: { side } }: Recipe,
): Promise<HeldOut> {
  const parts: Float32Array[] = [];
  const texts: string[] = [];
  await using loader = await open(name, 32, { epochs: 1 });
  for await (const batch of loader) {
    parts.push(cut(batch.images, from, side));
    texts.push(...batch.texts);
    if (texts.length >= most) break;
  }
  const count = Math.min(most, texts.length);
  const pixels = new Float32Array(count * 3 * side ** 2);
  let at = 0;
  for (const part of parts) {
    pixels.set(part.subarray(0, pixels.length - at), at);
    at += part.length;
  }
  return { pixels, texts: texts.slice(0, count), count };
}
